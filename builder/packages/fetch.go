package packages

import (
	"context"
	"io"
	"os"
)

// fetched is a file of the image in a temporary file, for readers that jump about
// in it.
type fetched struct {
	*os.File
	size int64
}

// fetch copies a file out, as file reads it. The caller drops it.
func (b *box) fetch(ctx context.Context, name string, limit int64) (f *fetched, err error) {
	err = b.file(ctx, name, limit, func(in io.Reader) (err error) {
		f, err = keep(in)
		return err
	})
	return f, err
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
