package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, 100 per second on Linux.
const tick = 10 * time.Millisecond

// process is a child of ours, with the children that it has.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// startSelf starts this program in another role.
func startSelf(ctx context.Context, s site, role string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, s, self, append([]string{role}, args...)...)
}

func startProcess(ctx context.Context, s site, program string, args ...string) (*process, error) {
	return startProcessWith(ctx, s, nil, program, args...)
}

// startProcessWith starts a program whose output goes to files in the site's
// directory, one after another.
func startProcessWith(ctx context.Context, s site, env []string, program string, args ...string) (*process, error) {
	name := filepath.Join(s.dir, filepath.Base(program))
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name += "-" + args[0]
	}
	out, err := os.OpenFile(name+".out", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	messages, err := os.OpenFile(name+".err", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer messages.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, messages
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() { defer close(p.ended); _ = cmd.Wait() }()
	return p, nil
}

// stop ends the process, and kills it if it takes too long. A nil process is none.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// pids are the process and its children.
func (p *process) pids() []int {
	pids := []int{p.cmd.Process.Pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpu is the CPU time that the process and its children used so far, user and
// system, from /proc/PID/stat (proc(5), fields 14 and 15).
func (p *process) cpu() (time.Duration, error) {
	var ticks int64
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("a process that is measured has ended: %w", err)
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from field 3 on
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, nil
}

// memory is the resident memory of the process and its children in bytes: RSS
// counts a page in each process that has it, PSS shares it between them.
func (p *process) memory() (rss, pss int64) {
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			words := strings.Fields(line)
			if len(words) < 2 {
				continue
			}
			n, _ := strconv.ParseInt(words[1], 10, 64)
			switch words[0] {
			case "Rss:":
				rss += n << 10
			case "Pss:":
				pss += n << 10
			}
		}
	}
	return rss, pss
}
