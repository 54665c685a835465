package builder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BuildKit has no limits per build: the Engine takes memory and CPU options of
// a build and ignores them (moby/buildkit#593). What it does have is a control
// group that every step runs in, so the limits here hold for all builds
// together:
//
//   - CPU: scheduled only when nothing else wants the processor (cpu.idle), and
//     with the lowest weight where the kernel is too old for that (before 5.15);
//     a group is idle beside its siblings only, so on cgroup v1 builds are set
//     aside in a group that is no part of the Engine's: see aside.go;
//     builds that get nothing that way are given a small share: see starve.go;
//   - memory: a ceiling, taken from what is free when a build begins. A step that
//     goes over it is killed, and nothing else is;
//   - processes: a ceiling, so that a fork bomb ends at it;
//   - block I/O: the lowest weight, where the kernel's scheduler knows weights.

// cgroupRoot is where the kernel shows control groups.
const cgroupRoot = "/sys/fs/cgroup"

// buildProcesses is how many processes and threads all builds may have together.
const buildProcesses = 4096

// buildGroup finds the control groups of build steps and limits them.
type buildGroup struct {
	root    string // cgroupRoot, but in tests
	unified bool   // cgroup v2
	systemd bool   // the Engine leaves groups to systemd on v2: a group for each step, no common parent

	patience time.Duration // how long builds may get next to no processor time: see hunger
}

// knob is one file of a control group and what is written there.
type knob struct {
	controller string // directory below the root, cgroup v1
	file       string
	value      string
	wanted     bool // without it builds are not held; its error is told
	instead    bool // only where the one before it could not be turned
}

// shares are what processor time builds get: what nothing else wants or,
// starved, a fifth of a container's share.
func (g buildGroup) shares(starved bool) []knob {
	idle, weight, shares := "1", "1", "2"
	if starved {
		idle, weight, shares = "0", "20", "205"
	}
	if g.unified {
		return []knob{{file: "cpu.idle", value: idle}, {file: "cpu.weight", value: weight, wanted: true, instead: !starved}}
	}
	return []knob{
		{controller: "cpu", file: "cpu.idle", value: idle},
		{controller: "cpu", file: "cpu.shares", value: shares, wanted: true, instead: !starved},
	}
}

// ceilings are what builds may have at most; memory is in bytes.
func (g buildGroup) ceilings(memory int64) []knob {
	limit, processes := strconv.FormatInt(memory, 10), strconv.Itoa(buildProcesses)
	if g.unified {
		return []knob{
			{file: "memory.max", value: limit, wanted: true},
			{file: "pids.max", value: processes, wanted: true},
			{file: "io.weight", value: "1"},
		}
	}
	return []knob{
		{controller: "memory", file: "memory.limit_in_bytes", value: limit, wanted: true},
		{controller: "pids", file: "pids.max", value: processes, wanted: true},
		{controller: "blkio", file: "blkio.bfq.weight", value: "1"},
	}
}

// turn holds the groups that are there now; a common parent is made when no
// build has made it yet. The error says what keeps builds from being held.
func (g buildGroup) turn(knobs []knob) error {
	var errs []error
	turned := false
	for _, k := range knobs {
		if k.instead && turned {
			continue
		}
		turned = true
		for _, dir := range g.dirs(k.controller) {
			err := write(filepath.Join(dir, k.file), k.value)
			turned = turned && err == nil
			if err != nil && k.wanted {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// dirs gives the groups of builds, in the controller's hierarchy where each has one.
func (g buildGroup) dirs(controller string) []string {
	if g.systemd {
		// BuildKit gives runc a path for systemd ("SLICE:docker:ID") and does not
		// tell it that systemd is to read it, so that it is the name of a group
		// beside the Engine's own: moby/moby#45796 shows one of Engine 24, and
		// 20.10 does the same. Containers have scopes, "docker-ID.scope".
		pattern := "*.slice:docker:" + strings.Repeat("[a-z0-9]", 25)
		steps, _ := filepath.Glob(filepath.Join(g.root, "system.slice", pattern))
		return steps
	}
	if g.unified {
		controller = ""
	}
	dirs := []string{filepath.Join(g.root, controller, "docker", "buildkit")}
	if apart := g.aside(controller); apart != "" {
		dirs = append(dirs, apart)
	}
	for _, dir := range dirs {
		_ = os.MkdirAll(dir, 0o755) // when that fails, so does writing there, and is told
	}
	return dirs
}

// write gives a file of a control group a value; one that has it already is left
// alone.
func write(path, value string) error {
	if now, err := os.ReadFile(path); err == nil && string(now) == value+"\n" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// reachable tells whether the groups of builds can be written from here.
func (g buildGroup) reachable() error {
	if g.systemd {
		return access(filepath.Join(g.root, "system.slice"))
	}
	for _, k := range g.ceilings(0) {
		for _, dir := range g.dirs(k.controller) {
			if err := access(dir); k.wanted && err != nil {
				return err
			}
		}
	}
	return nil
}

func access(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}

// hold keeps build steps limited until ctx ends; begun gets what keeps them from
// that, or nil, when they are.
// Where each step has a group of its own there is nothing to limit before one
// runs, so it looks again and again.
func (g buildGroup) hold(ctx context.Context, r room, begun chan<- error) error {
	memory := g.ceiling(r)
	trouble := g.turn(append(g.shares(false), g.ceilings(memory)...))
	begun <- trouble
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	h := hunger{group: g, patience: g.patience}
	for {
		select {
		case <-ctx.Done():
			return trouble
		case now := <-tick.C:
			h.look(now)
		}
		var knobs []knob
		if h.starved || g.systemd { // a build that began since has turned them back
			knobs = g.shares(h.starved)
		}
		if g.systemd {
			knobs = append(knobs, g.ceilings(memory)...)
		}
		// A step may end between the look and the writing.
		if err := errors.Join(g.turn(knobs), g.setAside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			trouble = err
		}
	}
}
