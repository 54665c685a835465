package builder

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
)

// What of a tree is searched: files of a length that people write, and so much of them.
const (
	maxSearchedFile = 1 << 20
	maxSearched     = 64 << 20
)

// search hands those regular files for which want holds to look, sorted, until
// it has seen enough. All of them are one read of the source, where read is one each.
func (t *tree) search(ctx context.Context, want func(name string) bool, look func(name string, text []byte) (more bool)) error {
	chosen, size := map[string]bool{}, int64(0)
	for _, p := range t.paths {
		f := t.files[p]
		if !f.Mode.IsRegular() || f.Size > maxSearchedFile || !want(p) {
			continue
		}
		if size += f.Size; size > maxSearched {
			break
		}
		chosen[p] = true
	}
	if len(chosen) == 0 {
		return nil
	}
	r, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := t.source.Tar(ctx, pipe, func(p string) bool { return chosen[p] })
		pipe.CloseWithError(err) // nil: end of file
		done <- err
	}()
	err := searchTar(r, look)
	_ = r.CloseWithError(io.ErrClosedPipe) // ends a writer that nobody reads any more
	if failed := <-done; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("search the commit's files: %w", err)
	}
	return nil
}

func searchTar(r io.Reader, look func(name string, text []byte) bool) error {
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(in, maxSearchedFile))
		if err != nil {
			return err
		}
		if !look(header.Name, []byte(plain(text))) {
			return nil
		}
	}
}
