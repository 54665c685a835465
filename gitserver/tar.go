package gitserver

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"teal/deploy"
)

// maxLink is how long the target of a symbolic link may be (PATH_MAX).
const maxLink = 4096

// Tar writes the files for which keep returns true as a tar stream. A submodule
// is an empty directory, as in a clone without --recursive.
func (s *source) Tar(ctx context.Context, w io.Writer, keep func(path string) bool) error {
	tree, err := s.list(ctx)
	if err != nil {
		return err
	}
	kept := make([]entry, 0, len(tree))
	for _, e := range tree {
		if keep == nil || keep(e.Path) {
			kept = append(kept, e)
		}
	}
	tw := tar.NewWriter(w)
	buf := make([]byte, 64<<10)
	if err := s.contents(ctx, kept, func(e entry, body io.Reader) error { return s.write(tw, e, body, buf) }); err != nil {
		return fmt.Errorf("cannot read the files of %s at %s: %w", s.app, s.commit, err)
	}
	return tw.Close()
}

// write adds one file to the stream.
func (s *source) write(tw *tar.Writer, e entry, body io.Reader, buf []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Path, Mode: int64(e.Mode.Perm()), Size: e.Size, ModTime: s.at}
	switch {
	case e.Mode&fs.ModeIrregular != 0:
		h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, e.Path+"/"
	case e.Mode&fs.ModeSymlink != 0:
		target, err := readLink(e, body)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
	}
	if err := tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", deploy.Clean(e.Path, 200), err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.CopyBuffer(tw, body, buf)
	return err
}

func readLink(e entry, body io.Reader) (string, error) {
	target, err := io.ReadAll(io.LimitReader(body, maxLink+1))
	if err != nil {
		return "", err
	}
	if len(target) > maxLink || len(target) == 0 || strings.ContainsRune(string(target), 0) {
		return "", &deploy.Failure{Step: deploy.StepBuild, Reason: fmt.Sprintf("%s is a symbolic link without a valid target", deploy.Clean(e.Path, 200))}
	}
	return string(target), nil
}

// contents calls each with every entry and its bytes, in order, out of one git
// process.
func (s *source) contents(ctx context.Context, entries []entry, each func(entry, io.Reader) error) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inR, inW, err := os.Pipe()
	if err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		return err
	}
	defer outR.Close()
	widen(outR)
	c, err := s.git.start(ctx, stdio{in: inR, out: outW}, "cat-file", "--batch", "--buffer")
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		return err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		ask(inW, entries)
	}()
	readErr := readContents(bufio.NewReaderSize(outR, 128<<10), entries, each)
	if readErr != nil {
		cancel() // git may still have much to say
	}
	outR.Close()
	waitErr := c.wait()
	<-asked
	if readErr != nil {
		if errors.Is(readErr, io.ErrUnexpectedEOF) && waitErr != nil {
			return waitErr
		}
		return readErr
	}
	return waitErr
}

// widen makes a pipe hold 1 MiB, for fewer switches between the two processes.
// Where that is not allowed the default of 64 KiB will do.
func widen(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}

// ask writes the names of the objects, and ends when git does.
func ask(w io.WriteCloser, entries []entry) {
	defer w.Close()
	buf := bufio.NewWriter(w)
	for _, e := range entries {
		if e.Mode&fs.ModeIrregular == 0 {
			_, _ = buf.WriteString(e.name() + "\n") // the error stays in buf
		}
	}
	_ = buf.Flush()
}

// readContents reads "<id> blob <size>\n<bytes>\n" for every entry that has bytes.
func readContents(r *bufio.Reader, entries []entry, each func(entry, io.Reader) error) error {
	for _, e := range entries {
		if e.Mode&fs.ModeIrregular != 0 {
			if err := each(e, nil); err != nil {
				return err
			}
			continue
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if want := fmt.Sprintf("%s blob %d\n", e.name(), e.Size); line != want {
			return fmt.Errorf("%s: git answers %q", deploy.Clean(e.Path, 200), deploy.Clean(strings.TrimSpace(line), 100))
		}
		body := &io.LimitedReader{R: r, N: e.Size}
		if err := each(e, body); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if body.N > 0 {
			return io.ErrUnexpectedEOF
		}
		if _, err := r.Discard(1); err != nil {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}
