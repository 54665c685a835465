package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// badBuilds are commits whose build does harm, or nothing that works, and what
// their pusher must read.
var badBuilds = []struct {
	name       string
	run        []string // flags of vict as a build step
	dockerfile string   // instead of vict's; "": vict's
	reason     string
	words      []string
}{
	{name: "fork bomb", run: []string{"-forks"}, reason: "ended with exit code 6", words: []string{"vict got no further than", "resource temporarily unavailable"}},
	{name: "endless output", run: []string{"-flood"}, reason: "the build took longer than 20s and was stopped", words: []string{"[output clipped", "set [build] timeout in teal.toml"}},
	{name: "memory hog", run: []string{"-hog", "6000"}, reason: "was killed (exit code 137): it probably ran out of memory", words: []string{"let the build need less memory"}},
	{name: "CPU hog", run: []string{"-burn", "10m"}, reason: "the build took longer than 20s and was stopped"},
	{name: "no network", run: []string{"-fetch", "http://192.0.2.1/"}, reason: "ended with exit code 4", words: []string{"192.0.2.1"}},
	{name: "wrong Dockerfile", dockerfile: "FROM scratch\nRUNN /vict\n", reason: "Dockerfile line 2: unknown instruction: RUNN"},
	{name: "no start command", dockerfile: "FROM scratch\nCOPY vict /vict\n", reason: "the image names no command to run", words: []string{"end the Dockerfile with CMD or ENTRYPOINT"}},
	{name: "start command that is not there", dockerfile: "FROM scratch\nCOPY vict /vict\nCMD [\"/server\"]\n", reason: "the image's command /server is not there", words: []string{"check CMD and ENTRYPOINT"}},
}

// TestBuildsThatDoHarmEndInTheirOwnWordsAndSpareTheLiveApp is not parallel: what
// builds may use is one limit for the Engine, which another build would raise.
func TestBuildsThatDoHarmEndInTheirOwnWordsAndSpareTheLiveApp(t *testing.T) {
	w := newWorld(t, "--app-build-timeout", "20s", "--build-memory", "2048")
	fine := w.app(t, "anna", "fine")
	fine.deploys(vict{version: "1"})
	l := startLoad(fine, 4)
	l.floor.Store(1)

	a := w.app(t, "anna", "harm")
	good := a.deploys(vict{version: "good"})
	for _, c := range badBuilds {
		a.commit(vict{version: c.name, run: c.run})
		if c.dockerfile != "" {
			writeFile(t, filepath.Join(a.dir, "Dockerfile"), c.dockerfile, 0o644)
			a.git("commit", "-q", "-a", "-m", c.name).exits(0)
		}
		r := a.push().exits(1).says(append(c.words, c.reason, "still serves harm.")...)
		if !strings.Contains(lineWith(r, "[remote rejected]"), c.reason) {
			t.Errorf("%s: git's own line is %q, without %q", c.name, lineWith(r, "[remote rejected]"), c.reason)
		}
		a.refIs(good)
		a.serves("good")
	}
	l.stop()
	if n := l.asked.Load(); len(l.failures) > 0 || n < 100 {
		t.Errorf("of %d requests to the other app %d failed: %v", n, len(l.failures), l.failures)
	}
}

func lineWith(r result, word string) string {
	for line := range strings.Lines(r.out) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}
