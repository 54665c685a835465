package builder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
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

// ceiling is what builds may use: what is free now, less a reserve for the apps
// that run, which is a twentieth of all memory, 64 to 512 MiB.
func (m memoryState) ceiling() int64 {
	reserve := min(max(m.total/20, 64<<20), 512<<20)
	return m.available - reserve
}

// makeWay finds out what a build may use, has it hold to that, and refuses it
// when that is too little to begin. The function that it returns lets go.
func (j *job) makeWay(ctx context.Context) (letGo func(), err error) {
	missing, err := j.Short(ctx)
	switch {
	case err != nil:
		return nil, err
	case missing > 0:
		return nil, failure(fmt.Sprintf("the disk of this server's images has less than %s free", mib(j.config.MinFreeDisk)),
			"free "+mib(missing)+" at least: remove what you do not need there, or keep fewer releases; then push again", nil, nil)
	}
	m, err := readMemory(j.config.meminfo)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil // no Linux, no control groups
	}
	if err != nil {
		return nil, err
	}
	most := m.ceiling()
	if j.config.MaxMemory > 0 {
		most = min(most, j.config.MaxMemory)
	}
	if most < leastMemory {
		return nil, failure(fmt.Sprintf("this server has %s of memory free, too little for a build beside the apps that run", mib(m.available)),
			"stop what you can do without, or give the server more memory; then push again", nil, nil)
	}
	return j.hold(ctx, most), nil
}

// hold limits build steps until the function that it returns is called.
func (j *job) hold(ctx context.Context, most int64) (letGo func()) {
	group, err := j.buildGroup(ctx)
	if err != nil {
		j.config.Log.Warn("builds are not held back", "app", j.req.App, "error", err)
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	begun := make(chan struct{})
	go func() {
		defer close(done)
		if err := group.hold(ctx, most, begun); err != nil {
			j.config.Log.Warn("builds are not held back: apps may feel them", "app", j.req.App, "error", err)
		}
	}()
	<-begun
	return func() { cancel(); <-done }
}

// buildGroup asks the Engine, once, how it makes control groups.
func (b *Builder) buildGroup(ctx context.Context) (buildGroup, error) {
	info, err := b.engineInfo(ctx)
	if err != nil {
		return buildGroup{}, err
	}
	v2 := info.CgroupVersion == "2"
	return buildGroup{root: cgroupRoot, unified: v2, systemd: v2 && info.CgroupDriver == "systemd", patience: b.config.starved}, nil
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
