package builder

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"teal/deploy"
)

// subSource is a directory of a commit as a tree of its own. Links that lead out
// of it stay as they are, and lead nowhere in the image.
type subSource struct {
	deploy.Source
	dir string // "services/shop/"
}

// Files implements deploy.Source.
func (s subSource) Files(ctx context.Context) ([]deploy.File, error) {
	all, err := s.Source.Files(ctx)
	if err != nil {
		return nil, err
	}
	var files []deploy.File
	for _, f := range all {
		if name, ok := strings.CutPrefix(f.Path, s.dir); ok {
			f.Path = name
			files = append(files, f)
		}
	}
	return files, nil
}

// ReadFile implements deploy.Source.
func (s subSource) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	return s.Source.ReadFile(ctx, s.dir+path, limit)
}

// Tar implements deploy.Source: the archive is rewritten on its way.
func (s subSource) Tar(ctx context.Context, w io.Writer, keep func(path string) bool) error {
	inside := func(path string) bool {
		name, ok := strings.CutPrefix(path, s.dir)
		return ok && (keep == nil || keep(name))
	}
	r, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.Source.Tar(ctx, pipe, inside)
		pipe.CloseWithError(err) // nil: end of file
		done <- err
	}()
	err := s.rename(w, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // ends a writer that nobody reads any more
	if writeErr := <-done; writeErr != nil && !errors.Is(writeErr, io.ErrClosedPipe) {
		return writeErr
	}
	return err
}

func (s subSource) rename(w io.Writer, r io.Reader) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, s.dir)
		if !ok || name == "" {
			continue
		}
		header.Name = name
		if err := out.WriteHeader(header); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r) // the padding after the archive's end
	return err
}
