package packages

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// fetched is a file of the image in a temporary file, for readers that jump about
// in it.
type fetched struct {
	*os.File
	size int64
}

// fetch copies a file out; fs.ErrNotExist when there is none. The caller drops it.
func (b *box) fetch(ctx context.Context, name string, limit int64) (*fetched, error) {
	r, stat, err := b.stream(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !stat.Mode.IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if stat.Size > limit {
		return nil, tooLarge(name, stat.Size, limit)
	}
	in := tar.NewReader(r)
	if _, err := in.Next(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return keep(io.LimitReader(in, limit))
}

// keep puts a stream into a temporary file.
func keep(in io.Reader) (*fetched, error) {
	file, err := os.CreateTemp("", "teal-fetched-*")
	if err != nil {
		return nil, err
	}
	f := &fetched{File: file}
	if f.size, err = io.Copy(file, in); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.drop()
		return nil, err
	}
	return f, nil
}

func (f *fetched) drop() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
