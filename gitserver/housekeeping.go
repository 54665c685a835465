package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teal/deploy"
)

// manyPacks is when a repository's packs are made one: every one of them is
// looked into for every object.
const manyPacks = 20

// tidy asks the housekeeper to look at the app's repository. When it is busy
// with many others it is left for the next push.
func (r *Repos) tidy(app deploy.AppName) {
	select {
	case r.pushed <- app:
	default:
	}
}

// housekeep looks after the repositories, one at a time, until ctx ends: after a
// push at its packs, and now and then at what nobody needs any more.
func (r *Repos) housekeep(ctx context.Context) {
	tick := time.NewTicker(r.limits.Quiet)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case app := <-r.pushed:
			if packs, _ := filepath.Glob(filepath.Join(globQuote(r.path(app)), "objects/pack/*.pack")); len(packs) >= manyPacks {
				r.clean(ctx, app)
			}
		case <-tick.C:
			for _, app := range r.quiet() {
				r.clean(ctx, app)
			}
		}
	}
}

// quiet gives the apps that nothing was pushed to for a while.
func (r *Repos) quiet() (apps []deploy.AppName) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil // no push was ever taken
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".git")
		app, err := deploy.ParseAppName(name)
		if !ok || err != nil {
			continue
		}
		last, err := os.Stat(filepath.Join(r.path(app), "objects", "pack"))
		if err == nil && time.Since(last.ModTime()) >= r.limits.Quiet {
			apps = append(apps, app)
		}
	}
	return apps
}

// clean removes what no branch and no deployment needs any more, and makes many
// packs one. It never keeps a push waiting: one that comes ends it, and the next
// quiet time begins anew.
func (r *Repos) clean(ctx context.Context, app deploy.AppName) {
	if r.keep == nil || !r.exists(app) {
		return // what is not known to be needless is needed
	}
	ctx, done, ok := r.lockIdle(ctx, app)
	if !ok {
		return
	}
	defer done()
	began := time.Now()
	removed, err := r.collect(ctx, app)
	switch {
	case errors.Is(context.Cause(ctx), errYielded) || errors.Is(err, context.Canceled):
		r.log.Debug("a repository is cleaned up later: a push came", "app", app)
	case err != nil:
		r.log.Warn("cannot clean up a repository", "app", app, "duration", time.Since(began), "error", err)
	case removed:
		r.log.Info("cleaned up a repository", "app", app, "duration", time.Since(began))
	}
}

// collect does it; the caller holds the lock, and no push is on its way. If we
// die before the end, the mark is there, and the next quiet time does it again.
func (r *Repos) collect(ctx context.Context, app deploy.AppName) (repacked bool, err error) {
	stale, err := r.keepOnly(ctx, app)
	if err != nil {
		return false, err
	}
	needless := r.marked(app)
	if !needless && len(stale) > 0 {
		if needless, err = r.unreachable(ctx, app, stale); err != nil {
			return false, err
		}
	}
	if needless {
		if err := r.mark(app); err != nil {
			return false, err
		}
	}
	if err := r.unkeep(ctx, app, stale); err != nil {
		return false, err
	}
	packs, _ := filepath.Glob(filepath.Join(globQuote(r.path(app)), "objects/pack/*.pack"))
	if !needless && len(packs) < manyPacks {
		return false, nil
	}
	if err := r.repack(ctx, app); err != nil {
		return false, err
	}
	return true, r.unmark(app)
}

// repack puts all that is reachable into one pack, and drops the rest.
func (r *Repos) repack(ctx context.Context, app deploy.AppName) error {
	_, err := r.plumbing(app).run(ctx, 64<<10, "", "-c", "pack.threads=1", "-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-q")
	if err != nil {
		return err
	}
	loose, _ := filepath.Glob(filepath.Join(globQuote(r.path(app)), "objects/??/*"))
	if len(loose) == 0 {
		return nil
	}
	_, err = r.plumbing(app).run(ctx, 64<<10, "", "prune", "--expire=now")
	return err
}

// unreachable tells whether one of the commits hangs on nothing else.
func (r *Repos) unreachable(ctx context.Context, app deploy.AppName, commits []string) (bool, error) {
	roots, err := looseRefs(r.path(app), keptRefs)
	if err != nil {
		return false, err
	}
	branches, err := r.refs(ctx, app)
	if err != nil {
		return false, err
	}
	var in strings.Builder
	for _, id := range commits {
		fmt.Fprintln(&in, id)
		delete(roots, keptRefs+"/"+id)
	}
	for _, heads := range []map[string]string{roots, branches.heads} {
		for _, id := range heads {
			fmt.Fprintln(&in, "^"+id)
		}
	}
	out, err := r.plumbing(app).run(ctx, 4096, in.String(), "rev-list", "-1", "--stdin")
	return len(out) > 0, err
}

// mark is a file that says that the repository has objects that nothing needs.
const mark = "needless"

func (r *Repos) marked(app deploy.AppName) bool {
	_, err := os.Stat(filepath.Join(r.path(app), mark))
	return err == nil
}

func (r *Repos) mark(app deploy.AppName) error {
	if err := os.WriteFile(filepath.Join(r.path(app), mark), nil, 0o600); err != nil {
		return fmt.Errorf("cannot note that a repository is to be cleaned up: %w", err)
	}
	return nil
}

func (r *Repos) unmark(app deploy.AppName) error {
	if err := os.Remove(filepath.Join(r.path(app), mark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot note that a repository is cleaned up: %w", err)
	}
	return nil
}
