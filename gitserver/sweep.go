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
)

// lockAge is how old a git lock file must be to count as left over: a git
// process that outlived a killed daemon by a moment may still hold a younger one.
const lockAge = 3 * time.Second

// Sweep removes what a killed daemon left: quarantines, half-made and half-removed
// repositories, temporary packs and locks of refs. Call it before Serve, when
// nothing runs on the repositories.
func (r *Repos) Sweep(ctx context.Context) error {
	for _, pattern := range []string{".new-*", ".gone-*"} {
		if err := r.sweepAll(pattern); err != nil {
			return err
		}
	}
	for _, pattern := range []string{
		"objects/tmp_objdir-*", "objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/??/tmp_obj_*", "shallow.new-*", "kept.new-*",
	} {
		if err := r.sweepAll("*.git/" + pattern); err != nil {
			return err
		}
	}
	return r.sweepLocks(ctx)
}

func (r *Repos) sweepAll(pattern string) error {
	left, err := filepath.Glob(filepath.Join(globQuote(r.dir), pattern))
	if err != nil {
		return fmt.Errorf("cannot sweep the repositories: %w", err)
	}
	for _, path := range left {
		r.log.Info("removing what an interrupted push left", "path", path)
		if repo, _, ok := strings.Cut(path, "/objects/tmp_objdir-"); ok { // its pack may be in the repository, kept by nothing
			_ = os.WriteFile(filepath.Join(repo, mark), nil, 0o600)
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("cannot sweep the repositories: %w", err)
		}
	}
	return nil
}

// sweepLocks removes locks that nobody holds any more. One of them left on a ref
// would keep it from ever moving again.
func (r *Repos) sweepLocks(ctx context.Context) error {
	repos, err := filepath.Glob(filepath.Join(globQuote(r.dir), "*.git"))
	if err != nil {
		return fmt.Errorf("cannot sweep the repositories: %w", err)
	}
	for _, repo := range repos {
		locks, err := filepath.Glob(filepath.Join(globQuote(repo), "*.lock"))
		if err != nil {
			return fmt.Errorf("cannot sweep the repositories: %w", err)
		}
		err = filepath.WalkDir(filepath.Join(repo, "refs"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".lock") {
				locks = append(locks, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot sweep the repositories: %w", err)
		}
		for _, lock := range locks {
			if err := r.sweepLock(ctx, lock); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repos) sweepLock(ctx context.Context, lock string) error {
	info, err := os.Stat(lock)
	if err != nil {
		return nil // its holder finished
	}
	select {
	case <-time.After(lockAge - time.Since(info.ModTime())):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if now, err := os.Stat(lock); err != nil || !os.SameFile(info, now) {
		return nil
	}
	r.log.Info("removing a lock that an interrupted push left", "path", lock)
	if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot sweep the repositories: %w", err)
	}
	return nil
}

// globQuote makes a path mean itself in a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
