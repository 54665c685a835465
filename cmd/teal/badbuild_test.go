package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// badBuilds are commits whose build does harm, or nothing that works, and what
// their pusher must read.
var badBuilds = []struct {
	name       string
	class      string   // for programs
	limit      string   // of the build, when the row is about it
	run        []string // flags of vict as a build step
	dockerfile string   // instead of vict's; "": vict's
	reason     string
	words      []string
}{
	{name: "fork bomb", class: "build-processes", run: []string{"-forks"}, reason: "ended at the limit of 4,096 processes and threads (exit code 6)", words: []string{"vict got no further than", "let the build begin fewer at once"}},
	{name: "endless output", limit: "15s", class: "build-output", run: []string{"-flood"}, reason: "the build took longer than 15s and was stopped: 'RUN /vict -flood' wrote more than", words: []string{"[output clipped", "MiB of output until then", "set [build] timeout in teal.toml"}},
	{name: "memory hog", class: "build-oom", run: []string{"-hog", "6000"}, reason: "ran out of memory: it was killed at the ceiling of builds, 2048 MiB (exit code 137)", words: []string{"let the build need less memory"}},
	{name: "CPU hog", limit: "15s", class: "build-cpu", run: []string{"-burn", "10m"}, reason: "the build took longer than 15s and was stopped: 'RUN /vict -burn 10m' was still computing (", words: []string{"of processor time)"}},
	{name: "build that waits", limit: "15s", class: "build-timeout", run: []string{"-sleep", "10m"}, reason: "'RUN /vict -sleep 10m' was still running", words: []string{"look what it waits for"}},
	{name: "no network", class: "build-network", run: []string{"-fetch", "http://192.0.2.1/"}, reason: "could not reach what it wants (exit code 4): Get \"http://192.0.2.1/\"", words: []string{"whether this server reaches it"}},
	{name: "wrong Dockerfile", class: "dockerfile", dockerfile: "FROM scratch\nRUNN /vict\n", reason: "Dockerfile line 2: unknown instruction: RUNN"},
	{name: "no start command", class: "no-command", dockerfile: "FROM scratch\nCOPY vict /vict\n", reason: "the image names no command to run", words: []string{"end the Dockerfile with CMD or ENTRYPOINT"}},
	{name: "start command that is not there", class: "command-missing", dockerfile: "FROM scratch\nCOPY vict /vict\nCMD [\"/server\"]\n", reason: "the image's command /server is not there", words: []string{"check CMD and ENTRYPOINT"}},
}

// TestBuildsThatDoHarmEndInTheirOwnWordsAndSpareTheLiveApp is not parallel: what
// builds may use is one limit for the Engine, which another build would raise.
func TestBuildsThatDoHarmEndInTheirOwnWordsAndSpareTheLiveApp(t *testing.T) {
	w := newWorld(t, "--app-build-timeout", "3m", "--build-memory", "2048")
	fine := w.app(t, "anna", "fine")
	fine.deploys(vict{version: "1"})
	a := w.app(t, "anna", "harm")
	good := a.deploys(vict{version: "good"})
	quiet := startLoad(fine, 4)
	eventually(t, func() string { return missing(quiet.asked.Load() >= 500, "500 answers") })
	quiet.stop()

	stood := watchForStalls(t)
	l := startLoad(fine, 4)
	l.floor.Store(1)
	for _, c := range badBuilds {
		v := vict{version: c.name, run: c.run}
		if c.limit != "" {
			v.toml = fmt.Sprintf("[build]\ntimeout = %q", c.limit)
		}
		a.commit(v)
		if c.dockerfile != "" {
			writeFile(t, filepath.Join(a.dir, "Dockerfile"), c.dockerfile, 0o644)
			a.git("commit", "-q", "-a", "-m", c.name).exits(0)
		}
		r := a.push().exits(1).says(append(c.words, c.reason, "still serves harm.")...)
		if !strings.Contains(lineWith(r, "[remote rejected]"), c.reason) {
			t.Errorf("%s: git's own line is %q, without %q", c.name, lineWith(r, "[remote rejected]"), c.reason)
		}
		if d := a.last(); d.Failure == nil || d.Failure.Class != c.class {
			t.Errorf("%s: the failure is %+v, want the class %s", c.name, d.Failure, c.class)
		}
		a.refIs(good)
		a.serves("good")
	}
	l.stop()
	if n := l.asked.Load(); len(l.failures) > 0 || n < 100 {
		t.Errorf("of %d requests to the other app %d failed: %v", n, len(l.failures), l.failures)
	}
	before, _ := quiet.latency()
	p99, longest := l.latency()
	t.Logf("the other app's answers: p99 %v beside the builds (the longest %v, of %d), %v before them (of %d)",
		p99, longest, l.asked.Load(), before, quiet.asked.Load())
	if longest > stuck+stood() { // how much slower is BenchmarkLiveAppBesideABuild's
		t.Errorf("an answer of the other app took %v beside a build", longest)
	}
}

// stuck is longer than any answer takes, on a busy machine and under the race detector, too.
const stuck = 5 * time.Second

// watchForStalls gives the longest time for which this process itself stood
// still since: the whole machine did, and no build is to blame.
func watchForStalls(t *testing.T) (longest func() time.Duration) {
	var most atomic.Int64
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		const every = 20 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				now := time.Now()
				most.Store(max(most.Load(), int64(now.Sub(last)-every)))
				last = now
			}
		}
	}()
	t.Cleanup(func() {
		close(done)
		<-over
	})
	return func() time.Duration { return time.Duration(most.Load()) }
}

func lineWith(r result, word string) string {
	for line := range strings.Lines(r.out) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}
