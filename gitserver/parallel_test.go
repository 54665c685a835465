package gitserver

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// newestWins gives a script that does what the core does about several pushes to
// one app: a newer one supersedes those that are under way, and tells by whom.
func newestWins(build time.Duration) func(*attempt) {
	type current struct {
		id         deploy.DeploymentID
		superseded chan deploy.Push
		promoting  bool
	}
	var mu sync.Mutex
	now := map[deploy.AppName]*current{}
	return func(a *attempt) {
		mine := &current{id: a.id, superseded: make(chan deploy.Push, 1)}
		mu.Lock()
		switch other := now[a.push.App]; {
		case other == nil:
		case other.id > mine.id:
			mine.superseded <- a.e.attempt(other.id).push
		case !other.promoting:
			other.superseded <- a.push
		}
		if other := now[a.push.App]; other == nil || other.id < mine.id {
			now[a.push.App] = mine
		}
		mu.Unlock()
		a.log("==> Building %s", a.push.New)
		select {
		case by := <-mine.superseded:
			a.end(deploy.Superseded, "superseded by "+by.By+"'s push of "+by.New[:7])
			return
		case <-time.After(build):
		}
		mu.Lock()
		defer mu.Unlock()
		select {
		case by := <-mine.superseded:
			a.end(deploy.Superseded, "superseded by "+by.By+"'s push of "+by.New[:7])
		default:
			mine.promoting = true
			a.promote()
		}
	}
}

// developers makes as many clones, each with a commit of its own.
func (w *world) developers(n int, app func(i int) string) []*clone {
	w.t.Helper()
	var all []*clone
	for i := range n {
		c := &clone{w: w, dir: filepath.Join(w.dir, fmt.Sprint("dev", i)), user: "anna"}
		w.write(filepath.Join(c.dir, "f"), fmt.Sprint(i), 0o644)
		c.git("init", "-q", "-b", "main")
		c.git("remote", "add", "teal", w.url(app(i)))
		c.commit("f", fmt.Sprint("dev ", i))
		all = append(all, c)
	}
	return all
}

// pushAll pushes from all clones at once, with force: they share no history.
func pushAll(clones []*clone) []result {
	results := make([]result, len(clones))
	var all sync.WaitGroup
	for i, c := range clones {
		all.Go(func() { results[i] = c.try("push", "-f", "teal", "main") })
	}
	all.Wait()
	return results
}

func TestOfTwentyPushesToOneAppTheLastServesAndEveryLoserIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Handshakes, l.HandshakesPerAddress = 64, 64 }))
	w.addApp("shop")
	w.engine.play(newestWins(500 * time.Millisecond))
	clones := w.developers(20, func(int) string { return "shop" })
	results := pushAll(clones)
	received := w.engine.received()
	if len(received) < 2 {
		t.Errorf("%d pushes were accepted: nothing was parallel", len(received))
	}
	last := received[len(received)-1]
	if got := w.ref("shop", "main"); got != last.New {
		t.Errorf("the ref is at %s, want the last accepted commit %s", got, last.New)
	}
	winners := 0
	for i, r := range results {
		live := strings.Contains(r.out, "is live on")
		switch {
		case r.exit == 0 && live:
			winners++
		case r.exit == 1 && !live && strings.Contains(r.out, "[remote rejected]") &&
			(strings.Contains(r.out, "superseded by anna's push of ") || strings.Contains(r.out, " while you pushed: git pull, then push again")):
		default:
			t.Errorf("pusher %d was not told: exit %d\n%s", i, r.exit, r.out)
		}
		if clones[i].head() == last.New && r.exit != 0 {
			t.Errorf("the last accepted push: exit %d\n%s", r.exit, r.out)
		}
	}
	promoted := 0
	for _, p := range received {
		if a := w.engine.attempt(w.engine.find(p)); a.state().Committed() {
			promoted++
		}
	}
	if winners != promoted {
		t.Errorf("%d pushers were told of a success, and %d commits were promoted", winners, promoted)
	}
	w.sound("shop")
}

func TestTwentyPushesToTwentyAppsAllServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Handshakes, l.HandshakesPerAddress = 64, 64 }))
	w.engine.play(newestWins(10 * time.Millisecond))
	name := func(i int) string { return fmt.Sprintf("shop-%d", i) }
	clones := w.developers(20, name)
	for i, r := range pushAll(clones) {
		app := deploy.AppName(name(i))
		if r.exit != 0 || w.ref(app, "main") != clones[i].head() {
			t.Errorf("%s is at %s, exit %d\n%s", app, w.ref(app, "main"), r.exit, r.out)
		}
		has(t, r.out, "created app "+string(app), " ✓ "+string(app)+" v1 is live on blue")
		w.sound(app)
	}
}
