package builder

import (
	"context"

	"github.com/containerd/errdefs"
)

// scanImage is the stack image that looks for updates: the one that has an apt.
const scanImage = "apt"

// upToDate gives the stack image of that name as it is when it was made of
// Debian's packages, in the way that hash knows it by, and Debian has nothing
// newer for it: asking takes seconds, making it anew half a minute and more. nil:
// that can't be told, or it is not so.
func (s *Stack) upToDate(ctx context.Context, name string, hash func(packages string) string) (*product, error) {
	same, status, err := s.madeAs(ctx, name, hash)
	if err != nil || same == nil {
		return nil, err
	}
	results, err := s.scanReady(ctx, []scanned{{status: status, codename: s.debianSuite}})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil || results[0].unknown != "" || len(results[0].changes) > 0:
		return nil, nil // making it finds out, or says what is wrong
	}
	return same, nil
}

// madeAs gives the stack image of that name as it is, with its package database,
// when it was made in the way that hash knows it by and it can be looked at. nil:
// that is not so.
func (s *Stack) madeAs(ctx context.Context, name string, hash func(packages string) string) (same *product, status []byte, err error) {
	found, err := s.engine.ImageInspect(ctx, s.prefix+tagged(name))
	if errdefs.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, engineError(ctx, s.engine, err)
	}
	if missing, err := s.missing(ctx, []recipe{{name: scanImage}}); err != nil || len(missing) > 0 {
		return nil, nil, err
	}
	if status, err = s.lists().Status(ctx, found.ID); err != nil {
		return nil, nil, engineError(ctx, s.engine, err)
	}
	if found.Config == nil || found.Config.Labels[labelPackages] != hash(dpkgList(status)) {
		return nil, nil, nil // from a registry, or made in another way
	}
	return &product{packages: found.Config.Labels[labelPackages], source: found.Config.Labels[labelSource]}, status, nil
}
