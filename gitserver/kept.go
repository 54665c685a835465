package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"teal/deploy"
)

// keptRefs are refs that nobody gets to see. One for each commit that a
// deployment or a release may still need keeps its objects from being removed,
// whatever branch they hang on.
const keptRefs = "refs/teal"

// keepCommit makes the commit stay until keepOnly finds it needless. It is
// durable, since git refuses to work with a ref that holds nothing.
func (r *Repos) keepCommit(app deploy.AppName, id string) error {
	path := filepath.Join(r.path(app), keptRefs, id)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot keep commit %s of %s: %w", id, app, err)
	}
	f, err := os.CreateTemp(r.path(app), "kept.new-*") // not beside it: git would take it for a ref
	if err != nil {
		return fmt.Errorf("cannot keep commit %s of %s: %w", id, app, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(id + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot keep commit %s of %s: %w", id, app, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("cannot keep commit %s of %s: %w", id, app, err)
	}
	return nil
}

// keepOnly keeps the commits that are needed now, and gives those that were kept
// and are not needed any more. They stay until unkeep.
func (r *Repos) keepOnly(ctx context.Context, app deploy.AppName) (stale []string, err error) {
	needed, err := r.keep(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("cannot tell what of %s is needed: %w", app, err)
	}
	if _, err := os.Stat(filepath.Join(r.path(app), keptRefs)); errors.Is(err, fs.ErrNotExist) {
		// Nobody has looked after it yet.
		if err := errors.Join(r.mark(app), os.MkdirAll(filepath.Join(r.path(app), keptRefs), 0o755)); err != nil {
			return nil, err
		}
	}
	kept, err := looseRefs(r.path(app), keptRefs)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, id := range needed {
		if kept[keptRefs+"/"+id] == "" && isHash(id) && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	if err := r.keepThere(ctx, app, missing); err != nil {
		return nil, err
	}
	for _, id := range kept {
		if !slices.Contains(needed, id) {
			stale = append(stale, id)
		}
	}
	return stale, nil
}

// keepThere keeps those of the commits that the repository has.
func (r *Repos) keepThere(ctx context.Context, app deploy.AppName, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	kinds, err := r.plumbing(app).kinds(ctx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if kinds[i] != "commit" {
			continue
		}
		if err := r.keepCommit(app, id); err != nil {
			return err
		}
	}
	return nil
}

// unkeep lets the commits go.
func (r *Repos) unkeep(ctx context.Context, app deploy.AppName, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var in strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&in, "delete %s/%s\x00\x00", keptRefs, id)
	}
	_, err := r.plumbing(app).run(ctx, 4096, in.String(), "update-ref", "--stdin", "-z")
	// git removes a directory that got empty; that it was there is remembered.
	return errors.Join(err, os.MkdirAll(filepath.Join(r.path(app), keptRefs), 0o755))
}
