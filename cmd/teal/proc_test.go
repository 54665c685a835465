package main

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what takes a second on a quiet machine.
const patience = 60 * time.Second

// endMost is how long a program may run that builds, or waits for one that does.
const endMost = 6 * patience

// screen is what a program writes, standard output and error as one.
type screen struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// proc is a program that runs in a process group of its own.
type proc struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *screen
	done chan struct{} // closed when it has ended
}

// startProc starts a program; what is left of it is killed at the end of the test.
func startProc(t *testing.T, cmd *exec.Cmd) *proc {
	t.Helper()
	p := launchProc(t, cmd)
	t.Cleanup(p.kill)
	return p
}

// launchProc starts a program whose end is the caller's business.
func launchProc(t *testing.T, cmd *exec.Cmd) *proc {
	t.Helper()
	p := &proc{t: t, name: strings.Join(cmd.Args, " "), cmd: cmd, out: &screen{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the exit code is in ProcessState
	}()
	return p
}

// kill kills the whole group.
func (p *proc) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal signals the whole group.
func (p *proc) signal(s syscall.Signal) {
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("cannot signal %s: %v", p.name, err)
	}
}

// running tells whether it has not ended yet.
func (p *proc) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// sees waits until text is on the screen.
func (p *proc) sees(text string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ended := !p.running()
		if strings.Contains(p.out.String(), text) {
			return
		}
		if ended || time.Now().After(deadline) {
			p.t.Fatalf("%s: %q is not on the screen (ended: %v):\n%s", p.name, text, ended, p.out)
		}
		pauseShort()
	}
}

// end waits for the end and gives what was written and the exit code.
func (p *proc) end() result {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(endMost):
		p.t.Fatalf("%s did not end within %v:\n%s", p.name, endMost, p.out)
	}
	return result{p.t, p.name, p.out.String(), p.cmd.ProcessState.ExitCode()}
}

// result is how a program ended.
type result struct {
	t    *testing.T
	name string
	out  string
	code int
}

// exits checks the exit code.
func (r result) exits(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%s ended with exit code %d, want %d:\n%s", r.name, r.code, code, r.out)
	}
	return r
}

// says checks that each text is in the output.
func (r result) says(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			r.t.Errorf("%s does not say %q:\n%s", r.name, text, r.out)
		}
	}
	return r
}

// hides checks that none of the texts is in the output.
func (r result) hides(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if strings.Contains(r.out, text) {
			r.t.Errorf("%s says %q:\n%s", r.name, text, r.out)
		}
	}
	return r
}

// eventually waits until check returns "": until then it says what is missing.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	within(t, patience, check)
}

func within(t *testing.T, limit time.Duration, check func() string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		missing := check()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, missing)
		}
		pauseShort()
	}
}

// pauseShort is the pause between two looks.
func pauseShort() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}
