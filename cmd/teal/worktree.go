package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// worktree is a checkout as a deploy.Source: the files that git knows of, or
// would with "git add", and all of them where there is no repository.
type worktree struct{ dir string }

// maxWorktree bounds the files of a directory that is no repository.
const maxWorktree = 200_000

// Files lists them.
func (w worktree) Files(ctx context.Context) ([]deploy.File, error) {
	names, err := w.tracked(ctx)
	if err != nil {
		names, err = w.walked()
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []deploy.File
	for _, name := range slices.Compact(names) {
		info, err := os.Lstat(filepath.Join(w.dir, filepath.FromSlash(name)))
		if err != nil || info.IsDir() { // removed and not committed; a submodule
			continue
		}
		all = append(all, deploy.File{Path: name, Mode: info.Mode(), Size: info.Size()})
	}
	return all, nil
}

// tracked asks git, relative to the directory.
func (w worktree) tracked(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "-C", w.dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot ask git for the files of %s: %w", w.dir, err)
	}
	return strings.FieldsFunc(string(bytes.TrimSpace(out)), func(r rune) bool { return r == 0 }), nil
}

func (w worktree) walked() (names []string, err error) {
	err = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		case len(names) >= maxWorktree:
			return fmt.Errorf("%s has more than %d files", w.dir, maxWorktree)
		}
		name, err := filepath.Rel(w.dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

// ReadFile reads one.
func (w worktree) ReadFile(_ context.Context, path string, limit int64) ([]byte, error) {
	f, err := os.OpenInRoot(w.dir, filepath.FromSlash(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, deploy.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, deploy.ErrNotFound)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, err
}

// Tar writes regular files alone, as they are read: nothing is built from a
// checkout, but what would be is looked for in its files.
func (w worktree) Tar(ctx context.Context, to io.Writer, keep func(path string) bool) error {
	files, err := w.Files(ctx)
	if err != nil {
		return err
	}
	out := tar.NewWriter(to)
	for _, f := range files {
		if !f.Mode.IsRegular() || keep != nil && !keep(f.Path) {
			continue
		}
		data, err := w.ReadFile(ctx, f.Path, f.Size)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(f.Mode.Perm()), Size: int64(len(data))}); err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return out.Close()
}

// Close has nothing to let go of.
func (worktree) Close() error { return nil }
