package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// death is a moment in a deployment's life at which the daemon is killed.
type death struct {
	phase    string
	stored   string // states that may be stored then; "": the phase
	next     vict   // what is pushed
	promoted bool   // whether the switch was committed by then
	// arrange prepares the moment before the push.
	arrange func(s *scene)
	// comes waits for the moment during the push.
	comes func(s *scene)
}

// scene is what a death is played with.
type scene struct {
	*app
	proxy *engineProxy
	held  <-chan struct{}
	mark  string
	push  *proc
}

var deaths = []death{
	{phase: "building", comes: func(s *scene) {
		s.push.sees("==> Building")
		eventually(s.t, func() string { return missing(processes(s.t, s.mark) > 0, "the build step runs") })
	}},
	{phase: "releasing", comes: func(s *scene) {
		s.push.sees("==> Release command")
		eventually(s.t, func() string { return missing(processes(s.t, s.mark) > 0, "the release command runs") })
	}},
	{
		phase:   "starting",
		arrange: func(s *scene) { s.held = s.proxy.holdBack(`^POST /v[0-9.]+/containers/\w+/start`) },
		comes: func(s *scene) {
			select {
			case <-s.held:
			case <-time.After(patience):
				s.t.Fatal("no container was started")
			}
		},
	},
	{
		phase: "probing", next: vict{flags: []string{"-listen-after", "2m"}},
		comes: func(s *scene) { s.push.sees("==> Probing") },
	},
	{
		phase: "promoting", stored: "promoting draining", promoted: true, next: vict{flags: []string{"-listen-after", "10s"}},
		// The ref can't be moved: a lock lies on it, as git leaves one in a power cut.
		comes: func(s *scene) {
			s.push.sees("==> Probing")
			writeFile(s.t, filepath.Join(s.w.data, "repos", s.name+".git", "refs", "heads", "main.lock"), "", 0o600)
			s.push.sees("is live on")
		},
	},
	{
		phase: "draining", promoted: true,
		arrange: func(s *scene) { s.slow("10m") },
		comes: func(s *scene) {
			s.push.sees("is live on")
			s.reaches("draining")
		},
	},
}

// TestKilledDaemonLeavesATrueState kills the daemon with SIGKILL in each phase of
// a deployment and starts it again: the right color answers, the deployment has
// ended in a state that is true, nothing stray is left, the ref is at what is
// live, and the next push works.
func TestKilledDaemonLeavesATrueState(t *testing.T) {
	t.Parallel()
	proxy := newEngineProxy(t)
	w := newWorld(t, append(proxy.args(), "--app-drain", "60s")...)
	a := w.app(t, "anna", "phoenix")
	live := vict{version: "start"}
	liveID := a.deploys(live)
	for _, d := range deaths {
		s := &scene{app: a, proxy: proxy}
		next := d.next
		next.version = d.phase
		flags, mark := sleeping("10m")
		s.mark = mark
		switch d.phase {
		case "building":
			next.run = flags
		case "releasing":
			next.release = flags
		}
		if d.arrange != nil {
			d.arrange(s)
		}
		id := a.commit(next)
		t.Logf("%s: commit %.7s", d.phase, id)
		s.push = a.startPush()
		d.comes(s)
		if got := string(a.lastStored().State); got != d.phase && !strings.Contains(d.stored, got) {
			t.Errorf("%s: the stored state is %s", d.phase, got)
		}
		w.kill()
		if r := s.push.end(); r.code == 0 && !(d.promoted && strings.Contains(r.out, "is live on")) {
			t.Errorf("%s: git push ended with 0 though the daemon was killed:\n%s", d.phase, r.out)
		}
		proxy.release()
		w.start()
		if d.promoted {
			live, liveID = next, id
		}
		a.isWhole(d.phase, live.version, liveID, d.promoted)
		eventually(t, func() string {
			return missing(processes(t, mark) == 0, d.phase+": no process of the dead deployment runs")
		})
		live = vict{version: "after-" + d.phase}
		liveID = a.deploys(live)
		a.refIs(liveID)
	}
}

// TestDaemonKilledAtAnyMoment kills the daemon at moments that nobody chose.
func TestDaemonKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "lucky")
	a.deploys(vict{version: "first"})
	began := time.Now()
	before, beforeID := "start", a.deploys(vict{version: "start", run: []string{"-stamp", "/built-start"}})
	whole := time.Since(began)
	const kills = 6
	for i := range kills {
		version := fmt.Sprintf("v%d", i)
		id := a.commit(vict{version: version, run: []string{"-stamp", "/built-" + version}})
		began := time.Now()
		p := a.startPush()
		// Moments spread evenly over what a deployment takes.
		timer := time.NewTimer(time.Duration(i) * whole / (kills - 1))
		select {
		case <-timer.C:
		case <-p.done:
		}
		w.kill()
		p.end()
		t.Logf("killed %v after the push began; one takes %v", time.Since(began).Round(time.Millisecond), whole.Round(time.Millisecond))
		w.start()
		promoted := a.standing().Live > 0 && a.versionNow() == version
		if promoted {
			before, beforeID = version, id
		}
		a.isWhole(fmt.Sprintf("kill %d", i), before, beforeID, promoted)
		if before != version { // what was lost is pushed again
			a.push().exits(0)
			before, beforeID = version, id
			a.serves(version)
		}
	}
}

// isWhole checks what must hold after a restart: what answers, that the record is
// true, that there are no stray containers, and where the ref is.
func (a *app) isWhole(when, version, id string, promoted bool) {
	a.t.Helper()
	if got := a.versionNow(); got != version {
		a.t.Errorf("%s: production answers %q, want %q", when, got, version)
	}
	states := []string{"failed", "superseded", "canceled", "live", "warm", "asleep"}
	if promoted {
		states = []string{"live"}
	}
	eventually(a.t, func() string {
		d := a.last()
		if slices.Contains(states, d.State) && (d.State != "failed" || d.Failure != nil) {
			return ""
		}
		return fmt.Sprintf("%s: the deployment is %s, want one of %v", when, d.State, states)
	})
	d := a.last()
	if d.State == "failed" && !strings.Contains(d.Failure.Reason, "while the deployment was ") {
		a.t.Errorf("%s: the failure is %+v", when, d.Failure)
	}
	eventually(a.t, func() string {
		s := a.standing()
		for _, c := range a.containers() {
			isLive := c == fmt.Sprintf("%s v%d running", s.Active, s.Live)
			isPrevious := strings.Contains(c, fmt.Sprintf(" v%d ", s.Previous))
			if !isLive && !isPrevious {
				return fmt.Sprintf("%s: %q is a stray container (live is v%d, previous v%d)", when, c, s.Live, s.Previous)
			}
		}
		return ""
	})
	eventually(a.t, func() string {
		return missing(a.ref() == id, when+": the ref is at what is live")
	})
}

// versionNow is the version that production answers with.
func (a *app) versionNow() string {
	a.t.Helper()
	status, body, err := a.ask("/version")
	if err != nil || status != http.StatusOK {
		a.t.Errorf("production answers %d %q, %v", status, body, err)
	}
	return body
}

// slow begins a request that the app answers after d, and returns once the app
// has begun to answer.
func (a *app) slow(d string) (rest func() (string, error)) {
	a.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: a.w.dial}, Timeout: 10 * patience}
	resp, err := client.Get(a.url("/slow?d=" + d))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = resp.Body.Close() })
	first := make([]byte, len("begun\n"))
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		a.t.Fatal(err)
	}
	return func() (string, error) {
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
}
