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
)

// BuildKit has no limits per build: the Engine takes memory and CPU options of
// a build and ignores them (moby/buildkit#593). What it does have is a control
// group that every step runs in, so the limits here hold for all builds
// together:
//
//   - CPU: scheduled only when nothing else wants the processor (cpu.idle), and
//     with the lowest weight where the kernel is too old for that (before 5.15);
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
	systemd bool   // the Engine leaves groups to systemd: a scope for each step, no common parent
}

// knob is one file of a control group and what is written there.
type knob struct {
	controller string // directory below the root, cgroup v1
	file       string
	value      string
	wanted     bool // without it builds are not held; its error is told
	instead    bool // only where the one before it could not be turned
}

// knobs are what a ceiling of memory (bytes) comes to.
func (g buildGroup) knobs(memory int64) []knob {
	limit := strconv.FormatInt(memory, 10)
	if g.unified {
		return []knob{
			{file: "cpu.idle", value: "1"},
			{file: "cpu.weight", value: "1", wanted: true, instead: true},
			{file: "memory.max", value: limit, wanted: true},
			{file: "pids.max", value: strconv.Itoa(buildProcesses), wanted: true},
			{file: "io.weight", value: "1"},
		}
	}
	return []knob{
		{controller: "cpu", file: "cpu.idle", value: "1"},
		{controller: "cpu", file: "cpu.shares", value: "2", wanted: true, instead: true},
		{controller: "memory", file: "memory.limit_in_bytes", value: limit, wanted: true},
		{controller: "pids", file: "pids.max", value: strconv.Itoa(buildProcesses), wanted: true},
		{controller: "blkio", file: "blkio.bfq.weight", value: "1"},
	}
}

// limit holds the groups that are there now; a common parent is made when no
// build has made it yet. The error says what keeps builds from being held.
func (g buildGroup) limit(memory int64) error {
	var errs []error
	turned := false
	for _, k := range g.knobs(memory) {
		if k.instead && turned {
			continue
		}
		turned = true
		for _, dir := range g.dirs(k.controller) {
			err := turn(filepath.Join(dir, k.file), k.value)
			turned = turned && err == nil
			if err != nil && k.wanted {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// dirs gives the groups of builds in a hierarchy.
func (g buildGroup) dirs(controller string) []string {
	if g.unified && g.systemd {
		// Containers have scopes of the same form, with 64 hexadecimal digits.
		pattern := "docker-" + strings.Repeat("[a-z0-9]", 25) + ".scope"
		scopes, _ := filepath.Glob(filepath.Join(g.root, "system.slice", pattern))
		return scopes
	}
	dir := filepath.Join(g.root, controller, "docker", "buildkit")
	_ = os.MkdirAll(dir, 0o755) // when that fails, so does writing there, and is told
	return []string{dir}
}

// turn writes a value to a file of a control group; one that says it already is
// left alone.
func turn(path, value string) error {
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

// hold keeps build steps limited until ctx ends; begun is closed when it does.
// Where systemd makes a group for each step there is nothing to limit before one
// runs, so it looks again and again.
func (g buildGroup) hold(ctx context.Context, memory int64, begun chan<- struct{}) error {
	if !g.unified || !g.systemd {
		defer close(begun)
		return g.limit(memory)
	}
	close(begun)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	var trouble error
	for {
		// A step may end between the look and the writing.
		if err := g.limit(memory); err != nil && !errors.Is(err, fs.ErrNotExist) {
			trouble = err
		}
		select {
		case <-ctx.Done():
			return trouble
		case <-look.C:
		}
	}
}
