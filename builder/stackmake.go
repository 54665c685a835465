package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"teal/builder/packages"
)

// replace makes the image unless the one that is there holds the same. The
// caller has the turn.
func (s *Stack) replace(ctx context.Context, r recipe, p *progress) (replaced bool, err error) {
	began := s.now()
	ref := s.ref(r)
	old, err := s.engine.ImageInspect(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		return false, engineError(ctx, s.engine, err)
	}
	if s.makeWay != nil { // making it is a build like any other
		letGo, err := s.makeWay(ctx)
		if err != nil {
			return false, err
		}
		defer letGo()
	}
	product, err := r.prepare(s, ctx, p)
	if err != nil {
		return false, err
	}
	if product.close != nil {
		defer product.close()
	}
	if product.packages == "" {
		p.say("stack image %s: making it from %s", s.show(r), product.source)
		drop, err := s.candidate(ctx, ref, product, p)
		if err != nil {
			return false, err
		}
		defer drop()
		if err := s.neverBack(ctx, old, product); err != nil {
			return false, err
		}
	}
	s.checked[r.name] = s.now()
	if old.Config != nil && old.Config.Labels[labelPackages] == product.packages {
		p.say("stack image %s: nothing newer (%s)", s.show(r), product.source)
		return false, nil
	}
	if err := s.install(ctx, r, product, p); err != nil {
		delete(s.checked, r.name)
		return false, err
	}
	p.say("stack image %s: ready after %s (%s)", s.show(r), seconds(s.now().Sub(began)), product.source)
	s.prune(ctx, r)
	return true, nil
}

// install makes the image and names it: what it is, and what it holds.
func (s *Stack) install(ctx context.Context, r recipe, product *product, p *progress) error {
	ref := s.ref(r)
	labels := map[string]string{labelStack: r.name, labelPackages: product.packages, labelSource: product.source, labelOfficial: product.official}
	if err := product.install(ctx, ref, labels, p); err != nil {
		return err
	}
	names := []string{s.prefix + versioned(r.name, product.packages)}
	for _, alias := range r.aliases {
		names = append(names, s.prefix+tagged(alias))
	}
	for _, name := range names {
		if err := s.engine.ImageTag(ctx, ref, name); err != nil {
			return fmt.Errorf("name the image %s: %w", name, engineError(ctx, s.engine, err))
		}
	}
	return nil
}

// versioned is the name that says what the image holds: "node:24-3f2a1bc0ffee".
func versioned(name, packages string) string {
	sep := ":"
	if strings.Contains(name, ":") {
		sep = "-"
	}
	return name + sep + contentVersion(packages)
}

// byContent is the name of a stack image that says what it holds; where it has
// none, ref.
func (s *Stack) byContent(ctx context.Context, ref string) string {
	r, ok := recipeOf(ref)
	found, err := s.engine.ImageInspect(ctx, ref)
	if !ok || err != nil || found.Config == nil || found.Config.Labels[labelPackages] == "" {
		return ref
	}
	if name := s.prefix + versioned(r.name, found.Config.Labels[labelPackages]); slices.Contains(found.RepoTags, name) {
		return name
	}
	return ref
}

func contentVersion(packages string) string { return packages[:min(12, len(packages))] }

// candidate makes an image of which only the result shows whether it is new,
// and has the product go on from it. drop takes the candidate's own name away.
func (s *Stack) candidate(ctx context.Context, ref string, product *product, p *progress) (drop func(), err error) {
	name := ref + "-candidate-" + randomID()[:8] // another process may be at the same
	drop = func() { s.discard(ctx, name) }
	if err := product.install(ctx, name, nil, p); err != nil {
		return nil, err
	}
	status, err := s.lists().Status(ctx, name)
	if err != nil {
		drop()
		return nil, engineError(ctx, s.engine, err)
	}
	version, err := s.lists().File(ctx, name, versionFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		drop()
		return nil, engineError(ctx, s.engine, err)
	}
	product.status = status
	product.packages = hashOf(product.script, dpkgList(status), string(version))
	if v := strings.TrimSpace(string(version)); v != "" {
		product.source = v + "; " + product.source
	}
	product.install = func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
		return s.build(ctx, ref, labels, p, namedFile{"Dockerfile", []byte("FROM " + name + "\n")})
	}
	return drop, nil
}

// versionFile says which version of its language an image has: "Node 24.21.0".
const versionFile = packages.VersionFile

// prune removes earlier versions of the image. One that a container was made
// from stays until the next time.
func (s *Stack) prune(ctx context.Context, r recipe) {
	images, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+r.name))})
	if err != nil {
		s.log.Warn("cannot look for stack images that were replaced", "error", err)
		return
	}
	current := s.ref(r)
	for _, i := range images {
		if ours, serves := s.namesOf(i.RepoTags, current); serves || !ours && len(i.RepoTags) > 0 {
			continue
		}
		if used, err := usedBy(ctx, s.engine, i.ID); err != nil || used {
			continue
		}
		for _, name := range i.RepoTags {
			s.discard(ctx, name)
		}
		if len(i.RepoTags) == 0 {
			s.discard(ctx, i.ID)
		}
	}
}

// namesOf tells whether the names are all this stack's, and whether the current one is among them.
func (s *Stack) namesOf(names []string, current string) (ours, serves bool) {
	ours = true
	for _, name := range names {
		ours = ours && strings.HasPrefix(name, s.prefix)
		serves = serves || name == current
	}
	return ours, serves
}

// discardLimit bounds the removal of an image, which others may wait for.
const discardLimit = 15 * time.Second

// discard takes an image's name away, also when ctx has ended; the image goes with
// the last one. One in use stays.
func (s *Stack) discard(ctx context.Context, ref string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardLimit)
	defer cancel()
	if _, err := s.engine.ImageRemove(ctx, ref, image.RemoveOptions{}); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		s.log.Warn("cannot remove an image that was replaced", "image", ref, "error", err)
	}
}
