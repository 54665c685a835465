package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal/deploy"
)

// ReposConfig is what Repos are made of.
type ReposConfig struct {
	// Dir holds the bare repositories, <app>.git each. It is made when it is missing.
	Dir string
	// Limits on packs, trees and git processes; the zero value means the defaults.
	Limits Limits
	// Git is the path of the git binary; "": git as found on the PATH.
	Git string
	// Keep gives the commits of an app that a deployment or a release may still
	// need, whatever its branches hold: those under way, staged, and to go back
	// to. nil: nothing is ever removed from a repository.
	Keep func(ctx context.Context, app deploy.AppName) ([]string, error)
	Log  *slog.Logger // nil: slog.Default
}

// Repos are the bare repositories of all apps. They satisfy
// deploy.Repositories. Methods may be called from several goroutines.
type Repos struct {
	dir    string
	git    string
	limits Limits
	keep   func(ctx context.Context, app deploy.AppName) ([]string, error)
	log    *slog.Logger

	indexPacks *places             // for index-packs
	fetches    chan struct{}       // a place for each upload-pack that may run
	pushed     chan deploy.AppName // to the housekeeper
	mu         sync.Mutex          // guards turns
	turns      map[deploy.AppName]*turn
}

// NewRepos makes Repos. It touches nothing on disk.
func NewRepos(c ReposConfig) *Repos {
	r := &Repos{
		dir: c.Dir, git: c.Git, limits: c.Limits.filled(), keep: c.Keep, log: c.Log,
		pushed: make(chan deploy.AppName, 64),
		turns:  map[deploy.AppName]*turn{},
	}
	if abs, err := filepath.Abs(c.Dir); err == nil {
		r.dir = abs
	}
	if r.git == "" {
		if r.git, _ = exec.LookPath("git"); r.git == "" {
			r.git = "/usr/bin/git" // CheckGit tells
		}
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	r.indexPacks = newPlaces(r.limits.IndexPacks)
	r.fetches = make(chan struct{}, r.limits.Fetches)
	return r
}

// path is where the app's repository is, or would be. An AppName holds no
// character that means something in a path.
func (r *Repos) path(app deploy.AppName) string {
	return filepath.Join(r.dir, string(app)+".git")
}

func (r *Repos) plumbing(app deploy.AppName, env ...string) plumbing {
	return plumbing{git: r.git, dir: r.path(app), extra: env, memory: r.limits.GitMemory}
}

// exists tells whether the app has a repository.
func (r *Repos) exists(app deploy.AppName) bool {
	_, err := os.Stat(filepath.Join(r.path(app), "HEAD"))
	return err == nil
}

// ensureLocked makes the app's repository when it is missing: an app without a
// push is an empty one.
func (r *Repos) ensureLocked(ctx context.Context, app deploy.AppName) error {
	if r.exists(app) {
		return nil
	}
	unlock, err := r.lock(ctx, app)
	if err != nil {
		return err
	}
	defer unlock()
	return r.ensure(ctx, app)
}

// ensure makes the app's repository when it is missing. The caller holds the lock.
func (r *Repos) ensure(ctx context.Context, app deploy.AppName) error {
	if r.exists(app) {
		return nil
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory for repositories: %w", err)
	}
	// Made aside and renamed, so that a half-made one is never seen; the sweep
	// takes what a crash leaves.
	fresh, err := os.MkdirTemp(r.dir, ".new-"+string(app)+"-")
	if err != nil {
		return fmt.Errorf("cannot make a repository for %s: %w", app, err)
	}
	defer os.RemoveAll(fresh)
	p := plumbing{git: r.git, dir: fresh, memory: r.limits.GitMemory}
	if _, err := p.run(ctx, 4096, "", "init", "--bare", "--quiet", "--template=", "--initial-branch=main"); err != nil {
		return fmt.Errorf("cannot make a repository for %s: %w", app, err)
	}
	if err := os.Rename(fresh, r.path(app)); err != nil {
		return fmt.Errorf("cannot make a repository for %s: %w", app, err)
	}
	return syncPath(r.dir)
}

// Advance moves push.Ref to push.New, whatever it points at now, in one durable
// transaction. Doing it again is no error.
func (r *Repos) Advance(ctx context.Context, push deploy.Push) error {
	if err := checkRef(push.Ref); err != nil || !isHash(push.New) {
		return fmt.Errorf("cannot move %s of %s to %s: not a branch and a commit", deploy.Clean(push.Ref, 80), push.App, deploy.Clean(push.New, 40))
	}
	if !r.exists(push.App) {
		return fmt.Errorf("repository of %s: %w", push.App, deploy.ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	transaction := "start\x00update " + push.Ref + "\x00" + push.New + "\x00\x00prepare\x00commit\x00"
	if _, err := r.plumbing(push.App).run(ctx, 4096, transaction, "update-ref", "--stdin", "-z"); err != nil {
		return fmt.Errorf("cannot move %s of %s to %s: %w", push.Ref, push.App, push.New, err)
	}
	// git before 2.36 does not sync the file.
	if err := syncPath(filepath.Join(r.path(push.App), push.Ref)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot make %s of %s durable: %w", push.Ref, push.App, err)
	}
	// Its name is durable when its directories are.
	for dir := filepath.Dir(push.Ref); dir != "."; dir = filepath.Dir(dir) {
		if err := syncPath(filepath.Join(r.path(push.App), dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot make %s of %s durable: %w", push.Ref, push.App, err)
		}
	}
	r.point(ctx, push)
	return nil
}

// point makes HEAD name a branch that exists, so that a clone checks something
// out. It is a convenience: a failure is logged and nothing else.
func (r *Repos) point(ctx context.Context, push deploy.Push) {
	head, err := os.ReadFile(filepath.Join(r.path(push.App), "HEAD"))
	branch, symbolic := strings.CutPrefix(strings.TrimSpace(string(head)), "ref: ")
	if err != nil || !symbolic || branch == push.Ref {
		return
	}
	refs, err := r.refs(ctx, push.App)
	if _, there := refs.heads[branch]; err != nil || there {
		return
	}
	if _, err := r.plumbing(push.App).run(ctx, 4096, "", "symbolic-ref", "HEAD", push.Ref); err != nil {
		r.log.Warn("cannot point HEAD at the branch that deploys", "app", push.App, "error", err)
	}
}

// Forget removes the app's repository. A missing one is no error.
func (r *Repos) Forget(ctx context.Context, app deploy.AppName) error {
	unlock, err := r.lock(ctx, app)
	if err != nil {
		return err
	}
	defer unlock()
	return r.remove(app)
}

// remove renames the repository away first: from then on it does not exist,
// whatever happens to the rest. The caller holds the lock.
func (r *Repos) remove(app deploy.AppName) error {
	gone, err := os.MkdirTemp(r.dir, ".gone-"+string(app)+"-")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot remove the repository of %s: %w", app, err)
	}
	err = os.Rename(r.path(app), filepath.Join(gone, "repository"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the repository of %s: %w", app, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		// A git process may still be writing there. The next sweep takes it.
		r.log.Warn("cannot remove all of a repository that was given up", "app", app, "error", err)
	}
	return syncPath(r.dir)
}

// CheckGit tells whether the git on this host will do: 2.31 or newer.
func (r *Repos) CheckGit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p := plumbing{git: r.git, dir: "/", memory: r.limits.GitMemory}
	out, err := p.run(ctx, 4096, "", "version")
	if err != nil {
		return fmt.Errorf("teal needs git 2.31 or newer to receive pushes, and %s does not run: install the package git: %w", r.git, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("teal needs git 2.31 or newer, and %s calls itself %q", r.git, deploy.Clean(strings.TrimSpace(string(out)), 60))
	}
	if major < 2 || major == 2 && minor < 31 {
		return fmt.Errorf("teal needs git 2.31 or newer, and %s is %d.%d: upgrade the package git", r.git, major, minor)
	}
	return nil
}
