package builder

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// happened is what the control groups of builds counted while one ran. The
// ceilings are of all builds together: when several run, one may have the
// events of another, so a step is blamed only when it also ended as such a step does.
type happened struct {
	watched   bool
	memory    int64         // the ceiling; bytes
	kills     int64         // processes that were killed at it
	full      int64         // times that it was reached; what caches gave back counts, too
	refused   int64         // processes and threads that were not begun
	processes int64         // most that were seen at once
	cpu       time.Duration // processor time used
	alone     bool          // no other step ran at the same time: the processor time is this one's
	over      time.Duration // how long was watched
}

// happenings watches the control groups of builds. Steps have groups below that
// are gone with the step, and some counters are there only (all of cgroup v1's,
// pids.events before Linux 6.11): so it looks again and again.
type happenings struct {
	group buildGroup
	began time.Time

	mu        sync.Mutex
	watched   bool             // builds have a ceiling, and it could be read
	memory    int64            // the ceiling of all builds, which the next one may raise
	base      map[string]int64 // by file and key, as it was when the build began
	now       map[string]int64 // … and the last that was seen
	processes int64
	steps     int // most groups of steps that were seen at once
}

// counter is a number in a file of a group that only grows.
type counter struct{ controller, file, key string }

func (g buildGroup) counters() (kills, full, refused counter) {
	if g.unified {
		return counter{"memory", "memory.events", "oom_kill"}, counter{"memory", "memory.events", "max"}, counter{"pids", "pids.events", "max"}
	}
	return counter{"memory", "memory.oom_control", "oom_kill"}, counter{"memory", "memory.failcnt", ""}, counter{"pids", "pids.events", "max"}
}

// watchHappenings begins to count what happens to builds, once they are held;
// the function that it returns ends it. The groups may be ones that Teal only
// reads: see holder.go.
func (j *job) watchHappenings(ctx context.Context) (end func()) {
	group, err := j.buildGroup(ctx)
	if err != nil {
		return func() {} // told where builds are held
	}
	j.happenings = newHappenings(group)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.happenings.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func newHappenings(g buildGroup) *happenings {
	h := &happenings{group: g, began: time.Now(), base: map[string]int64{}, now: map[string]int64{}}
	h.look()
	h.base, h.now = h.now, map[string]int64{}
	return h
}

// run looks again and again until ctx ends.
func (h *happenings) run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.look()
		}
	}
}

const cpuKey = "cpu"

// look reads all counters.
func (h *happenings) look() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	kills, full, refused := h.group.counters()
	for _, c := range []counter{kills, full, refused} {
		for _, dir := range h.group.below(c.controller) {
			if n, ok := readCounter(filepath.Join(dir, c.file), c.key); ok {
				h.now[c.file+" "+c.key+" "+dir] = n
			}
		}
	}
	for _, dir := range h.group.dirs("memory") {
		if n, ok := readCounter(filepath.Join(dir, h.group.ceilings(0)[0].file), ""); ok && n < 1<<50 {
			h.watched, h.memory = true, n
		}
	}
	var processes int64
	for _, dir := range h.group.dirs("pids") {
		n, _ := readCounter(filepath.Join(dir, "pids.current"), "")
		processes += n
	}
	h.processes = max(h.processes, processes)
	steps := len(h.group.below("cpuacct"))
	if !h.group.systemd { // else each step has a group of its own and no common one
		steps -= len(h.group.dirs("cpuacct"))
	}
	h.steps = max(h.steps, steps)
	for _, dir := range h.group.dirs("cpuacct") {
		if used, ok := h.group.used(dir); ok {
			h.now[cpuKey+" "+dir] = int64(used)
		}
	}
}

// tell gives what happened until now.
func (h *happenings) tell() happened {
	if h == nil {
		return happened{}
	}
	h.look()
	h.mu.Lock()
	defer h.mu.Unlock()
	kills, full, refused := h.group.counters()
	return happened{
		watched: h.watched, memory: h.memory, processes: h.processes,
		kills: h.grown(kills.file + " " + kills.key), full: h.grown(full.file + " " + full.key), refused: h.grown(refused.file + " " + refused.key),
		cpu: time.Duration(h.grown(cpuKey)), over: time.Since(h.began), alone: h.steps <= 1,
	}
}

// grown sums, over groups, how far a counter went since the beginning.
func (h *happenings) grown(name string) (sum int64) {
	for at, n := range h.now {
		if strings.HasPrefix(at, name+" ") {
			sum += max(0, n-h.base[at])
		}
	}
	return sum
}

// below gives the groups of builds and those of their steps.
func (g buildGroup) below(controller string) (all []string) {
	for _, dir := range g.dirs(controller) {
		steps, _ := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
		all = append(all, dir)
		for _, path := range steps {
			all = append(all, filepath.Dir(path))
		}
	}
	return all
}

// readCounter reads the number behind the key; without one, the file is the number.
func readCounter(path, key string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if key != "" {
			name, value, _ := strings.Cut(line, " ")
			if name != key {
				continue
			}
			line = value
		}
		n, err := strconv.ParseInt(line, 10, 64)
		return n, err == nil
	}
	return 0, false
}
