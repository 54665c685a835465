package builder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"teal/deploy"
)

// leastMemory is what a build must be able to have.
const leastMemory = 128 << 20

// memoryState is what the machine says of its own (bytes).
type memoryState struct{ total, available int64 }

// readMemory reads /proc/meminfo (proc_meminfo(5)).
func readMemory(path string) (memoryState, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return memoryState{}, err
	}
	var m memoryState
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		value, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			m.total = value << 10
		case "MemAvailable":
			m.available = value << 10
		}
	}
	if m.total == 0 || m.available == 0 {
		return memoryState{}, fmt.Errorf("%s does not say how much memory there is", path)
	}
	return m, nil
}

// spare is what builds may take more than they have: what is free now, less a
// reserve for the apps that run, which is a twentieth of all memory, 64 to 512 MiB.
func (m memoryState) spare() int64 {
	reserve := min(max(m.total/20, 64<<20), 512<<20)
	return m.available - reserve
}

// room is what builds may have, in bytes.
type room struct {
	free int64 // more than they have now
	most int64 // in all; 0: that is not bounded
}

// ceiling is the limit of all builds together: one that runs already keeps what it
// has, and the next one gets what is free beside it.
func (g buildGroup) ceiling(r room) int64 {
	all := r.free
	for _, dir := range g.dirs("memory") {
		all += g.memory(dir)
	}
	if r.most > 0 {
		all = min(all, r.most)
	}
	return all
}

// memory is what a group has without the files it has read and written, which
// the kernel counts as available. 0 where it does not tell.
func (g buildGroup) memory(dir string) int64 {
	file, prefix := "memory.usage_in_bytes", "total_"
	if g.unified {
		file, prefix = "memory.current", ""
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	text, _ = os.ReadFile(filepath.Join(dir, "memory.stat"))
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name != prefix+"active_file" && name != prefix+"inactive_file" {
			continue
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			used -= n
		}
	}
	return max(0, used)
}

// makeWay finds out what a build may use, has it hold to that, and refuses it
// when that is too little to begin. The function that it returns lets go.
func (b *Builder) makeWay(ctx context.Context) (letGo func(), err error) {
	missing, err := b.Short(ctx)
	switch {
	case err != nil:
		return nil, err
	case missing > 0:
		return nil, classed(deploy.ClassNoRoom, fmt.Sprintf("the disk of this server's images has less than %s free", mib(b.config.MinFreeDisk)),
			"free "+mib(missing)+" at least: remove what you do not need there, or keep fewer releases; then push again", nil, nil)
	}
	m, err := readMemory(b.config.meminfo)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil // no Linux, no control groups
	}
	if err != nil {
		return nil, err
	}
	spare := m.spare()
	if b.config.MaxMemory > 0 {
		spare = min(spare, b.config.MaxMemory)
	}
	if spare < leastMemory {
		return nil, classed(deploy.ClassNoRoom, fmt.Sprintf("this server has %s of memory free, too little for a build beside the apps that run", mib(m.available)),
			"stop what you can do without, or give the server more memory; then push again", nil, nil)
	}
	return b.hold(ctx, room{spare, b.config.MaxMemory}), nil
}

// hold limits build steps until the function that it returns is called.
func (b *Builder) hold(ctx context.Context, r room) (letGo func()) {
	end, err := b.takeHold(ctx, r)
	if ctx.Err() == nil {
		b.warnUnheld(err)
	}
	return func() { b.warnUnheld(end()) }
}

func (b *Builder) warnUnheld(err error) {
	if err != nil {
		b.config.Log.Warn("builds are not held back: apps may feel them; see 'Builds beside apps' in docs/OPERATING.md", "error", err)
	}
}

// CheckHold tries, once at the start, whether builds can be held back; its error
// says why not.
func (b *Builder) CheckHold(ctx context.Context) error {
	m, err := readMemory(b.config.meminfo)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there are no control groups here")
	}
	if err != nil {
		return err
	}
	end, err := b.takeHold(ctx, room{max(m.spare(), leastMemory), b.config.MaxMemory})
	return errors.Join(err, end())
}

// takeHold limits builds from here or, where Teal may not, from a container of
// its own. The error says in what way they are not limited; end is never nil.
func (b *Builder) takeHold(ctx context.Context, r room) (end func() error, err error) {
	group, err := b.buildGroup(ctx)
	if err != nil {
		return func() error { return nil }, err
	}
	unreached := group.reachable()
	if unreached != nil && outOfReach(unreached) {
		c, trouble, err := b.openHolder(ctx, Hold{
			Root: holderGroups, Unified: group.unified, Systemd: group.systemd, Free: r.free, Most: r.most, Patience: group.patience,
		})
		if err == nil {
			return func() error { return c.end(ctx) }, trouble
		}
		return func() error { return nil }, fmt.Errorf("%w, and a container can't do it: %w", unreached, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	begun, ended := make(chan error, 1), make(chan error, 1)
	go func() { ended <- group.hold(ctx, r, begun) }()
	trouble := <-begun
	return func() error {
		cancel()
		if err := <-ended; err != nil && trouble == nil { // told already otherwise
			return err
		}
		return nil
	}, trouble
}

// buildGroup asks the Engine, once, how it makes control groups.
func (b *Builder) buildGroup(ctx context.Context) (buildGroup, error) {
	info, err := b.engineInfo(ctx)
	if err != nil {
		return buildGroup{}, err
	}
	v2 := info.CgroupVersion == "2"
	if !v2 && info.CgroupDriver == "systemd" {
		return buildGroup{}, errors.New("the Engine leaves control groups of version 1 to systemd, and does not say where build steps are then")
	}
	return buildGroup{root: b.config.groups, unified: v2, systemd: v2 && info.CgroupDriver == "systemd", patience: b.config.starved}, nil
}

// Short implements deploy.Builder: how many bytes are missing on the disk of the
// images until a build may begin. A disk that can't be seen from here (the Engine's
// directory is another one's) misses nothing.
func (b *Builder) Short(ctx context.Context) (int64, error) {
	info, err := b.engineInfo(ctx)
	if err != nil {
		return 0, err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(info.DockerRootDir, &disk); err != nil {
		return 0, nil
	}
	return max(0, b.config.MinFreeDisk-int64(disk.Bavail)*disk.Bsize), nil
}
