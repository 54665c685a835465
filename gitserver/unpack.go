package gitserver

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// refusal is a push that is not taken, in words for the pusher. It is the
// client's fault or a limit, never a fault of Teal.
type refusal struct {
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...)}
}

// tolerated are faults of old commits that hurt nobody. All other faults that
// git fsck knows are errors, trees with ".git", ".." or "/" among them.
var tolerated = func() string {
	ids := []string{
		"badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail",
		"missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "zeroPaddedDate",
		"multipleAuthors", "zeroPaddedFilemode", "badFilemode",
	}
	return strings.Join(ids, "=ignore,") + "=ignore"
}()

// unpack takes the pack from the client into the quarantine and checks every
// object. by is the pusher, and say tells him something. It returns the type of the tip when
// that is in the pack, and "" when it is not.
func (q *quarantine) unpack(ctx context.Context, in *intake, tip, by string, say func(string)) (kind string, err error) {
	if err := q.repos.checkDisk(); err != nil {
		return "", err
	}
	header, objects, err := peekHeader(in, q.repos.limits.Objects)
	if err != nil {
		return "", err
	}
	if objects == 0 {
		return "", readEmptyPack(in, header)
	}
	if err := q.repos.takePlace(ctx, by, say); err != nil {
		return "", err
	}
	defer q.repos.indexPacks.give(by)
	if err := q.repos.checkDisk(); err != nil { // those before us may have filled it
		return "", err
	}
	if objects > 20_000 {
		say(fmt.Sprintf("unpacking and checking %d objects", objects))
	}
	if err := q.indexPack(ctx, in); err != nil {
		return "", err
	}
	return q.checkSizes(ctx, tip)
}

// peekHeader reads the 12 bytes before the objects without taking them. The
// count is a claim, and nothing is ever allocated by it.
func peekHeader(in *intake, limit int64) (header []byte, objects int64, err error) {
	header, err = in.Peek(12)
	if err != nil {
		return nil, 0, inputError(err, "the pack ends before it begins")
	}
	version := binary.BigEndian.Uint32(header[4:])
	if !bytes.Equal(header[:4], []byte("PACK")) || version != 2 && version != 3 {
		return nil, 0, refuse("this is not a git pack")
	}
	objects = int64(binary.BigEndian.Uint32(header[8:]))
	if objects > limit {
		return nil, 0, refuse("the pack has %d objects, and the limit is %d", objects, limit)
	}
	return header, objects, nil
}

// readEmptyPack takes a pack without objects: the repository has them all.
func readEmptyPack(in *intake, header []byte) error {
	want := sha1.Sum(header)
	var got [12 + sha1.Size]byte
	if _, err := io.ReadFull(in, got[:]); err != nil {
		return inputError(err, "the pack is cut off")
	}
	if !bytes.Equal(got[12:], want[:]) {
		return refuse("the pack's checksum is wrong")
	}
	return nil
}

// inputError tells a client that ended early from one that was too slow.
func inputError(err error, early string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("%s", early)
	}
	return err
}

// takePlace waits until fewer than the limit of packs are being unpacked.
func (r *Repos) takePlace(ctx context.Context, by string, say func(string)) error {
	err := r.indexPacks.take(ctx, by, func() { say("waiting for other pushes to be unpacked") })
	if err != nil {
		return fmt.Errorf("waiting for other pushes to be unpacked: %w", err)
	}
	return nil
}

// checkDisk refuses a pack before the disk is full of it.
func (r *Repos) checkDisk() error {
	var st unix.Statfs_t
	if err := unix.Statfs(r.dir, &st); err != nil {
		return fmt.Errorf("cannot look at the disk of %s: %w", r.dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < r.limits.DiskFree {
		return refuse("the server's disk is nearly full: %s free, %s needed; ask its admin to make room", byteSize(free), byteSize(r.limits.DiskFree))
	}
	return nil
}

// indexPack feeds the client's pack to git, which writes and checks it.
func (q *quarantine) indexPack(ctx context.Context, in *intake) error {
	r, w, err := lane()
	if err != nil {
		return fmt.Errorf("cannot unpack: %w", err)
	}
	defer w.Close()
	feeding, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c, err := q.plumbing().start(feeding, stdio{in: r}, "index-pack", "--stdin", "--fix-thin",
		"--strict="+tolerated, "--max-input-size="+strconv.FormatInt(q.repos.limits.Pack, 10))
	r.Close()
	if err != nil {
		return err
	}
	fed := make(chan error, 1)
	ended := make(chan struct{})
	in.interrupt(ended)
	defer in.interrupt(nil)
	in.hurry(q.repos.indexPacks.crowded)
	defer in.hurry(nil)
	go func() { fed <- pour(w, in, q.repos.limits.Pack, stop) }()
	err = c.wait()
	close(ended)
	if ferr := <-fed; ferr != nil {
		return ferr // why the pack was cut off, which is all that git can tell
	}
	if err != nil {
		return indexPackError(ctx, err)
	}
	return nil
}

// lane is a pipe that is made of sockets. git reads its standard input 4 KiB at a
// time: a full pipe wakes its writer each time, a socket once it is nearly empty.
func lane() (r, w *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	_ = unix.SetNonblock(fds[1], true) // as os.NewFile wants it for a file with deadlines and pollers
	_ = unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 256<<10)
	return os.NewFile(uintptr(fds[0]), "git"), os.NewFile(uintptr(fds[1]), "pack"), nil
}

// indexPackError words git's complaint about a pack.
func indexPackError(ctx context.Context, err error) error {
	var ge *gitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &ge):
		return refuse("%s", ge.line)
	default:
		return fmt.Errorf("the pack was not unpacked: %w", err)
	}
}

// pour copies the pack to git's standard input, and ends when git does, even
// though the client keeps its side open. It cuts git off when the client fails.
func pour(w io.WriteCloser, in io.Reader, limit int64, cut context.CancelCauseFunc) error {
	defer w.Close()
	buf := make([]byte, 64<<10)
	for total := int64(0); ; {
		n, err := in.Read(buf)
		if total += int64(n); total > limit {
			err := refuse("the pack is larger than %s", byteSize(limit))
			cut(err)
			return err
		}
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return nil // git has ended: it knows why
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, errInterrupted):
			return nil
		default:
			cut(err)
			return err
		}
	}
}

// checkSizes refuses objects that would take too much memory or disk later on.
func (q *quarantine) checkSizes(ctx context.Context, tip string) (kind string, err error) {
	sizes := &sizeCheck{limit: q.repos.limits.Object, tip: tip}
	c, err := q.alone().start(ctx, stdio{out: sizes}, "cat-file", "--batch-all-objects", "--unordered",
		"--batch-check=%(objectname) %(objecttype) %(objectsize)")
	if err != nil {
		return "", err
	}
	err = c.wait()
	if sizes.found != "" {
		return "", refuse("%s", sizes.found)
	}
	if err != nil {
		return "", fmt.Errorf("cannot look at the sizes of the objects: %w", err)
	}
	return sizes.kind, nil
}

// sizeCheck reads the lines of cat-file --batch-check.
type sizeCheck struct {
	limit   int64
	tip     string
	partial []byte
	found   string // what is wrong
	kind    string // of the tip
}

func (s *sizeCheck) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	rest := s.partial
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.partial = append(s.partial[:0], rest...)
			return len(p), nil
		}
		f := strings.Fields(string(rest[:i]))
		rest = rest[i+1:]
		if len(f) != 3 {
			return 0, io.ErrShortWrite // ends git
		}
		if f[0] == s.tip {
			s.kind = f[1]
		}
		n, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil || n > s.limit {
			s.found = fmt.Sprintf("%s %s is %s large, and the limit is %s", f[1], f[0], byteSize(n), byteSize(s.limit))
			return 0, io.ErrShortWrite
		}
	}
}

// checkConnected proves that everything the commit needs is there.
func (q *quarantine) checkConnected(ctx context.Context, tip string) error {
	c, err := q.plumbing().start(ctx, stdio{in: strings.NewReader(tip + "\n")},
		"rev-list", "--objects", "--stdin", "--not", "--all", "--quiet")
	if err != nil {
		return err
	}
	if err := c.wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return refuse("the push is incomplete: %s", complaintOf(err))
	}
	return nil
}

// checkTip makes sure that the branch would point at a commit. kind is the tip's
// type when it is known already.
func (q *quarantine) checkTip(ctx context.Context, tip, kind string) error {
	if kind == "" {
		var err error
		if kind, err = q.plumbing().kind(ctx, tip); err != nil {
			return err
		}
	}
	switch kind {
	case "commit":
		return nil
	case "missing":
		return refuse("the push is incomplete: %s is missing", tip)
	default:
		return refuse("%s is a %s, not a commit", tip[:7], kind)
	}
}

// byteSize writes a number of bytes the way people do.
func byteSize(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
