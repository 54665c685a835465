package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A build takes only the processor time that nothing else wants. When apps want
// all of it for long, as one in an endless loop does, that is none, and the push
// that mends the app would never be built. So builds that starve get a share.

// processorTime is what a look at the machine's processors sees; both only grow.
type processorTime struct {
	builds time.Duration // used by build steps
	unused time.Duration // by nobody, over all processors
}

// hunger finds out whether builds starve.
type hunger struct {
	group    buildGroup
	patience time.Duration
	stat     string // /proc/stat, but in tests

	since   time.Time
	then    processorTime
	starved bool
}

// look is to be called again and again. Builds that were found to starve keep
// their share to the end of this one.
func (h *hunger) look(now time.Time) {
	if h.starved || now.Sub(h.since) < h.patience {
		return
	}
	seen, ok := h.read()
	if !ok {
		return
	}
	if !h.since.IsZero() {
		h.starved = starving(h.then, seen, now.Sub(h.since))
	}
	h.since, h.then = now, seen
}

// starving: builds had less than a twentieth of one processor, and less than
// that was left over. A build that waits for the network on a machine with
// nothing to do has no use for a share; one whose step ended got on.
func starving(before, after processorTime, over time.Duration) bool {
	builds, unused := after.builds-before.builds, after.unused-before.unused
	return builds >= 0 && builds < over/20 && unused < over/20
}

// read gives false where the kernel does not tell.
func (h *hunger) read() (processorTime, bool) {
	var t processorTime
	stat := h.stat
	if stat == "" {
		stat = "/proc/stat"
	}
	text, err := os.ReadFile(stat)
	if err != nil {
		return t, false
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	// cpu user nice system idle iowait …, in hundredths of a second: proc_stat(5).
	fields := strings.Fields(string(line))
	if len(fields) < 6 || fields[0] != "cpu" {
		return t, false
	}
	for _, f := range fields[4:6] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return t, false
		}
		t.unused += time.Duration(n) * (time.Second / 100)
	}
	for _, dir := range h.group.dirs("cpuacct") {
		used, ok := h.group.used(dir)
		if !ok && !h.group.systemd {
			return t, false
		}
		t.builds += used
	}
	return t, true
}

// used is the processor time that a group has had.
func (g buildGroup) used(dir string) (time.Duration, bool) {
	file, unit, key := "cpuacct.usage", time.Nanosecond, ""
	if g.unified {
		file, unit, key = "cpu.stat", time.Microsecond, "usage_usec "
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line, ok := strings.CutPrefix(line, key)
	n, err := strconv.ParseInt(line, 10, 64)
	return time.Duration(n) * unit, ok && err == nil
}
