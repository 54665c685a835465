package main

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is clients that ask an app for its version without pause, and count
// what they get.
type crowd struct {
	wg   sync.WaitGroup
	over atomic.Bool

	mu      sync.Mutex
	answers map[string]int // "200 one" → how often
	broken  []error
	longest time.Duration
}

func gather(a *app, clients int) *crowd {
	c := &crowd{answers: map[string]int{}}
	for range clients {
		c.wg.Go(func() {
			tick := time.NewTicker(25 * time.Millisecond)
			defer tick.Stop()
			for !c.over.Load() {
				began := time.Now()
				status, body, err := a.ask("/version")
				c.note(fmt.Sprintf("%d %s", status, strings.TrimSpace(body)), err, time.Since(began))
				<-tick.C
			}
		})
	}
	a.t.Cleanup(c.stop)
	return c
}

func (c *crowd) note(answer string, err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.broken = append(c.broken, err)
		return
	}
	c.answers[answer]++
	c.longest = max(c.longest, took)
}

// got gives how often an answer came.
func (c *crowd) got(answer string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[answer]
}

func (c *crowd) stop() {
	c.over.Store(true)
	c.wg.Wait()
}

// failed counts all that was not answered with 200.
func (c *crowd) failed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.broken)
	for answer, times := range c.answers {
		if !strings.HasPrefix(answer, fmt.Sprint(http.StatusOK)) {
			n += times
		}
	}
	return n
}

// TestGradualPromotionSharesComparesAndRefuses: a good release gets its shares
// and is promoted without a failed request; a bad one is stopped at its first
// step, and production is the old one's all along.
func TestGradualPromotionSharesComparesAndRefuses(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "shop")
	steps := func(v vict, dwell string) vict {
		v.top, v.toml = `promote = "gradual"`, "[switch]\nsteps = [20, 50]\ndwell = \""+dwell+"\"\nwatch = \"off\""
		return v
	}
	a.deploys(vict{version: "one"})
	c := gather(a, 6)
	good := a.commit(steps(vict{version: "two"}, "8s"))
	said := a.push().exits(0).says("20 % of requests go to v2 on green for 8s", "==> 20 % of requests: ", "==> 50 % of requests: ", " 0 errors, p99 ", "(live: ")
	for _, line := range strings.Split(said.out, "\n") {
		if strings.Contains(line, "% of requests: ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	a.serves("two")
	if n := c.failed(); n > 0 || c.got("200 two") < 50 || c.got("200 one") < 50 {
		t.Errorf("%d requests failed of %v: %v", n, c.answers, c.broken)
	}

	// A step ends at the first look that has seen enough.
	bad := a.commit(steps(vict{version: "three", flags: []string{"-errs", "100"}}, "2m"))
	a.push().exits(1).says("v3 answered 100.0 % of its requests with errors at 20 % of requests (v2: 0.0 %)", "[remote rejected]")
	a.serves("two")
	a.refIs(good)
	m := box.next()
	if !strings.Contains(m.subject, bad[:7]) || !strings.Contains(m.subject, "with errors at 20 % of requests") || !strings.Contains(strings.Join(strings.Fields(m.text), " "), "at the same time") {
		t.Errorf("the mail is %q:\n%s", m.subject, m.text)
	}
	if ok, sick := c.got("200 two"), c.got("500 three"); sick == 0 || sick > ok {
		t.Errorf("%d good and %d bad answers", ok, sick)
	}
}

// TestWatchGoesBackWithAMail: a release that answers its probe and fails its
// users is live, and for some seconds only.
func TestWatchGoesBackWithAMail(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "shop")
	a.deploys(vict{version: "one"})
	c := gather(a, 6)
	eventually(t, func() string { return missing(c.got("200 one") > 200, "200 requests of version one") })
	c.stop() // until it was seen that the new release is watched
	bad := a.commit(vict{version: "two", flags: []string{"-errs", "60"}})
	began := time.Now()
	a.push().exits(0).says("Watching v2 for 5m0s: if it does worse than v1 did, Teal goes back")
	w.command(t, "anna", "ps", "shop").exits(0).says("live, watched")
	gather(a, 6)
	m := box.next()
	if !strings.HasPrefix(m.subject, "[teal] shop: went back from v2 to v1: v2 answered ") {
		t.Errorf("the subject is %q", m.subject)
	}
	for _, part := range []string{"blue v1", "serves again", "errors (", "in the minutes before", bad[:7], "Version two", "receipt shop 3", "restart-previous shop"} {
		if !strings.Contains(strings.Join(strings.Fields(m.text), " "), part) {
			t.Errorf("the mail does not say %q:\n%s", part, m.text)
		}
	}
	t.Logf("told %v after the push began", time.Since(began).Round(time.Millisecond))
	a.serves("one")
	a.refIs(bad) // as after any rollback
	w.command(t, "anna", "receipt", "shop").exits(0).says("v2 answered", "v1, before")
	last := a.deployments()[0]
	if last.Cause != "watch" || last.Release != 1 || !strings.Contains(last.Note, "v2 answered") {
		t.Errorf("the last deployment is %+v", last)
	}
	box.empty()
}

// TestSingleWriterIsReplacedWithoutAFailedRequest: each version holds a lock on
// a file of the app's volume and ends when another one has it.
func TestSingleWriterIsReplacedWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "ledger")
	start := ""
	single := func(version string, flags ...string) vict {
		return vict{
			version: version, flags: append([]string{"-lock", "/data/lock"}, flags...), top: `strategy = "single-writer"`,
			start: cmp.Or(start, "20s"), toml: "[volumes]\ndata = \"/data\"",
		}
	}
	a.deploys(single("one"))
	c := gather(a, 6)
	for _, version := range []string{"two", "three", "four"} {
		a.commit(single(version))
		a.push().exits(0).says("Single writer: requests wait, at most 1m0s", "Requests waited for")
		a.serves(version)
	}
	a.commit(single("five", "-status", "500"))
	a.push().exits(1).says("probe answered 500", "==> v4 serves again")
	a.serves("four")
	a.commit(single("six"))
	a.push("-o", "no-promote").exits(1).says("cannot wait on the preview")
	w.command(t, "anna", "restart-previous", "ledger").exits(0)
	a.serves("three")
	if got := strings.Join(a.containers(), ", "); strings.Count(got, "running") != 1 {
		t.Errorf("containers: %s", got)
	}
	c.stop()
	if n := c.failed(); n > 0 {
		t.Errorf("%d requests failed of %v: %v", n, c.answers, c.broken)
	}
	t.Logf("%v; the longest took %v", c.answers, c.longest.Round(time.Millisecond))

	// A daemon that is killed while the next one starts is followed by one that
	// has the old one back.
	start = "2m" // so that it is there when it is looked for
	a.commit(single("seven", "-status", "500"))
	a.push("-o", "detach").exits(0)
	eventually(t, func() string {
		all := strings.Join(a.containers(), ", ")
		return missing(strings.Contains(all, "blue v3 exited") && strings.Count(all, "running") == 1, "version seven alone runs: "+all)
	})
	w.kill()
	w.start()
	eventually(t, func() string {
		_, body, _ := a.ask("/version")
		return missing(strings.TrimSpace(body) == "three", "version three answers")
	})
	w.command(t, "root", "destroy", "ledger", "ledger", "--volumes").exits(0)
}
