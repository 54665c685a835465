package gitserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teal/deploy"
)

// plumbing runs git on one bare repository. The children get a scrubbed
// environment, no hooks, a process group of their own, limits on memory and
// processor time, and end with their context.
type plumbing struct {
	git    string   // path of the git binary
	dir    string   // the bare repository
	extra  []string // environment beside the scrubbed one: the quarantine, the shallow file
	memory int64    // RLIMIT_DATA
}

// settings are given to every child; none is read from a file of the host's.
var settings = []string{
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.fsync=all", // known since 2.36; before, packs are synced always and refs by Advance
	"-c", "core.bigFileThreshold=32m",
	"-c", "core.deltaBaseCacheLimit=32m",
	"-c", "pack.threads=2",
	"-c", "pack.windowMemory=64m",
	"-c", "gc.autoDetach=false",
	"-c", "protocol.allow=never",
}

// stdio is what a child is connected to. A nil Stdin is an empty one, a nil
// Stdout goes nowhere.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer // beside the lines kept for the error
}

// child is a git process that runs.
type child struct {
	cmd    *exec.Cmd
	name   string
	stderr *tail
	reaped atomic.Bool // its process number may be another one's now
}

// environment is all that a child gets to see.
func (p plumbing) environment() []string {
	return append([]string{
		"PATH=" + filepath.Dir(p.git) + ":/usr/local/bin:/usr/bin:/bin",
		"HOME=/nonexistent",
		"LC_ALL=C",
		"GIT_DIR=.",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_DEFAULT_HASH=sha1",
		"GIT_DEFAULT_REF_FORMAT=files",
	}, p.extra...)
}

// start starts git with the arguments. The first argument names the child in errors.
func (p plumbing) start(ctx context.Context, s stdio, args ...string) (*child, error) {
	c := &child{name: args[0], stderr: &tail{also: s.err}}
	c.cmd = exec.CommandContext(ctx, p.git, append(append([]string{}, settings...), args...)...)
	c.cmd.Dir = p.dir
	c.cmd.Env = p.environment()
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = s.in, s.out, c.stderr
	// A group of its own, so that what the child started ends with it.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Cancel = c.terminate
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start git %s: %w", c.name, err)
	}
	c.limit(p.memory)
	return c, nil
}

// terminate asks the group to end, so that git takes its lock files away, and
// then makes it.
func (c *child) terminate() error {
	group := -c.cmd.Process.Pid
	time.AfterFunc(3*time.Second, func() {
		if !c.reaped.Load() {
			_ = unix.Kill(group, unix.SIGKILL)
		}
	})
	return unix.Kill(group, unix.SIGTERM)
}

// limit sets the child's resource limits. It has read nothing of the client's
// yet, so that it can't have grown.
func (c *child) limit(memory int64) {
	pid := c.cmd.Process.Pid
	set := func(resource int, n uint64) {
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil) // it may have ended already
	}
	set(unix.RLIMIT_DATA, uint64(memory))
	set(unix.RLIMIT_CORE, 0)
	set(unix.RLIMIT_CPU, uint64((30*time.Minute)/time.Second))
}

// wait returns when the child ended and its output was read; the error carries
// git's own first complaint.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.reaped.Store(true)
	if err == nil {
		return nil
	}
	if line := c.stderr.complaint(); line != "" {
		return &gitError{child: c.name, line: line, err: err}
	}
	return fmt.Errorf("git %s: %w", c.name, err)
}

// run runs git to its end and returns what it wrote, at most limit bytes.
func (p plumbing) run(ctx context.Context, limit int, in string, args ...string) ([]byte, error) {
	out := &bounded{limit: limit}
	c, err := p.start(ctx, stdio{in: strings.NewReader(in), out: out}, args...)
	if err != nil {
		return nil, err
	}
	if err := c.wait(); err != nil {
		return nil, err
	}
	return out.b, nil
}

// gitError is a child that failed and said why.
type gitError struct {
	child string
	line  string // without "error: " and "fatal: ", cleaned
	err   error
}

func (e *gitError) Error() string { return "git " + e.child + ": " + e.line }
func (e *gitError) Unwrap() error { return e.err }

// complaintOf gives git's own words for the error when it has some.
func complaintOf(err error) string {
	var ge *gitError
	if errors.As(err, &ge) {
		return ge.line
	}
	return deploy.Clean(err.Error(), 160)
}

// tail keeps the first complaint and the last line of a child's standard error.
type tail struct {
	also    io.Writer
	partial []byte
	first   string
	last    string
}

func (t *tail) Write(p []byte) (int, error) {
	if t.also != nil {
		_, _ = t.also.Write(p) // the client may be gone; git's words still count
	}
	t.partial = append(t.partial, p...)
	for {
		i := bytes.IndexAny(t.partial, "\r\n")
		if i < 0 {
			break
		}
		t.line(string(t.partial[:i]))
		t.partial = t.partial[i+1:]
	}
	if len(t.partial) > 4096 {
		t.partial = t.partial[:4096]
	}
	return len(p), nil
}

func (t *tail) line(s string) {
	s = strings.TrimSpace(s)
	if s == "" {
		return
	}
	for _, mark := range []string{"error: ", "fatal: "} {
		if rest, ok := strings.CutPrefix(s, mark); ok && t.first == "" {
			t.first = rest
		}
	}
	t.last = s
}

func (t *tail) complaint() string {
	t.line(string(t.partial))
	t.partial = nil
	if t.first != "" {
		return deploy.Clean(t.first, 160)
	}
	return deploy.Clean(t.last, 160)
}

// bounded is a buffer that refuses to grow beyond its limit.
type bounded struct {
	limit int
	b     []byte
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.b)+len(p) > b.limit {
		return 0, fmt.Errorf("output is longer than %d bytes", b.limit)
	}
	b.b = append(b.b, p...)
	return len(p), nil
}

// syncPath makes what a file holds, or the names in a directory, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
