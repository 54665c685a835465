package builder

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"teal/deploy"
)

// fsSource is a commit's tree made of files: a deploy.Source.
type fsSource struct {
	fs     fs.FS
	broken error // what Tar fails with after the first file; nil: nothing
}

func dirSource(dir string) fsSource { return fsSource{fs: os.DirFS(dir)} }

// files makes a source of paths and contents. Scripts are executable.
func files(pairs ...string) fsSource {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(pairs[i+1], "#!") {
			mode = 0o755
		}
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: mode}
	}
	return fsSource{fs: m}
}

// notExecutable takes the scripts' bits away, as commits from Windows do.
func notExecutable(s fsSource) fsSource {
	for _, f := range s.fs.(fstest.MapFS) {
		f.Mode = 0o644
	}
	return s
}

func (s fsSource) Files(context.Context) ([]deploy.File, error) {
	var all []deploy.File
	err := fs.WalkDir(s.fs, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all = append(all, deploy.File{Path: path, Mode: info.Mode(), Size: info.Size()})
		return nil
	})
	return all, err
}

func (s fsSource) ReadFile(_ context.Context, path string, limit int64) ([]byte, error) {
	data, err := fs.ReadFile(s.fs, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, deploy.ErrNotFound)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, err
}

func (s fsSource) Tar(ctx context.Context, w io.Writer, keep func(string) bool) error {
	out := tar.NewWriter(w)
	all, err := s.Files(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		if keep != nil && !keep(f.Path) {
			continue
		}
		data, err := fs.ReadFile(s.fs, f.Path)
		if err != nil {
			return err
		}
		if err := writeFile(out, f.Path, int64(f.Mode.Perm()), data); err != nil {
			return err
		}
		if s.broken != nil {
			return s.broken
		}
	}
	return out.Close()
}

func (fsSource) Close() error { return nil }

// copied is a directory in memory, to be changed.
func copied(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(dir + "/" + path)
		m[path] = &fstest.MapFile{Data: data, Mode: info.Mode()}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
