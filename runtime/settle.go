package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// How long Start waits for an instance's init process to have handed over to
// the app's command, where it can look on, and where it can't; and for the
// Engine to find out that the init process has ended.
const (
	handOver      = 500 * time.Millisecond
	handOverBlind = 60 * time.Millisecond
	endIsTold     = 5 * time.Second
)

// settle waits until a container that was just started runs the app's own
// command. The Engine starts an init process, which always works; that the
// command isn't there shows some milliseconds later, as an exit.
func (d *Docker) settle(ctx context.Context, s seat) (deploy.Instance, error) {
	in := s.badge.instance(s.id)
	if !s.began {
		in.Running = true
		return in, nil
	}
	began := time.Now()
	for {
		c, err := d.inspect(ctx, s.id)
		if err != nil {
			return in, fmt.Errorf("cannot look at %s: %w", s.badge, err)
		}
		if in.Running, in.Exit = judge(c.State); !in.Running || c.RestartCount > 0 {
			return in, d.neverRan(ctx, in, c)
		}
		if time.Since(began) > d.patienceWith(c) {
			return in, nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return in, err
		}
	}
}

// patienceWith is how long after its start the container may be looked at
// again; below 0: it runs the app's command.
func (d *Docker) patienceWith(c container.InspectResponse) time.Duration {
	seen, running := handedOver(c)
	if seen {
		d.sees.Store(true)
	}
	switch {
	case running:
		return -1
	case seen:
		return handOver
	case d.sees.Load() && hasEnded(c.State.Pid):
		return endIsTold
	default:
		return handOverBlind
	}
}

// hasEnded tells whether there is no process of that number on this host.
func hasEnded(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return errors.Is(err, fs.ErrNotExist)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// handedOver tells whether the init process has a child that runs another
// program. seen is false when the processes can't be seen from here.
func handedOver(c container.InspectResponse) (seen, running bool) {
	if !ours(c.State.Pid, c.ID) {
		return false, false
	}
	proc := fmt.Sprintf("/proc/%d", c.State.Pid)
	initExe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil {
		return false, false
	}
	children, err := os.ReadFile(fmt.Sprintf("%s/task/%d/children", proc, c.State.Pid))
	if err != nil {
		return false, false
	}
	for _, child := range strings.Fields(string(children)) {
		if exe, err := os.Readlink(filepath.Join("/proc", child, "exe")); err == nil && exe != initExe {
			return true, true
		}
	}
	return true, false
}

// ours tells whether the process of that number on this host is one of the
// container: it isn't when the Engine counts processes elsewhere.
func ours(pid int, id string) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && pid > 0 && strings.Contains(string(groups), id)
}

// neverRan gives the failure when the init process could not run the command
// at all; nil when it ran and ended.
func (d *Docker) neverRan(ctx context.Context, in deploy.Instance, c container.InspectResponse) error {
	if !in.Running && in.Exit.Code != 126 && in.Exit.Code != 127 {
		return nil
	}
	last, err := d.Tail(ctx, in, 20)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	for _, line := range last {
		if f := explainInit(line, deploy.StepStart); f != nil {
			f.Log = last
			return f
		}
	}
	return nil
}
