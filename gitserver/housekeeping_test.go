package gitserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// needs is what deployments and releases need, as a test says.
type needs struct {
	mu      sync.Mutex
	commits []string
}

func (n *needs) keep(context.Context, deploy.AppName) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.commits), nil
}

func (n *needs) set(commits ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.commits = commits
}

func keeping(n *needs, quiet time.Duration) option {
	return func(c *Config, r *ReposConfig) {
		r.Keep, r.Limits.Quiet = n.keep, quiet
	}
}

// holds tells whether the repository has the commit.
func (w *world) holds(app deploy.AppName, commit string) bool {
	w.t.Helper()
	kind, err := w.repos.plumbing(app).kind(context.Background(), commit)
	if err != nil {
		w.t.Fatal(err)
	}
	return kind == "commit"
}

func (w *world) packs(app deploy.AppName) int {
	packs, _ := filepath.Glob(filepath.Join(w.repos.path(app), "objects/pack/*.pack"))
	return len(packs)
}

func TestObjectsOfAFailedPushAreRemovedWhenItIsQuiet(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, 50*time.Millisecond))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	first := c.head()
	n.set(first)
	c.git("push", "-q", "teal", "main")
	w.engine.play(func(a *attempt) { a.fail(&deploy.Failure{Step: deploy.StepBuild, Reason: "no"}) })
	failed := c.commit("large", noise(1<<20, 1))
	n.set(first, failed) // while it is under way
	if r := c.try("push", "teal", "main"); r.exit != 1 {
		t.Fatalf("exit %d\n%s", r.exit, r.out)
	}
	w.repos.clean(t.Context(), "shop")
	if !w.holds("shop", failed) {
		t.Fatal("the commit of a deployment that is under way was removed")
	}
	n.set(first)
	eventually(t, "the failed commit is removed", func() bool { return !w.holds("shop", failed) })
	eventually(t, "its mark is gone", func() bool { return !w.repos.marked("shop") })
	if !w.holds("shop", first) || w.ref("shop", "main") != first {
		t.Error("what serves was removed")
	}
	w.engine.play(nil)
	n.set(first, failed)
	c.git("push", "-q", "teal", "main") // the same commit again
	w.sound("shop")
	c.git("clone", "-q", w.url("shop"), "copy")
}

func TestCommitOfAKeptReleaseOutlivesAForcedPush(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, time.Hour))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	base := c.head()
	c.git("push", "-q", "teal", "main")
	old := c.commit("old", "1")
	c.git("push", "-q", "teal", "main")
	c.git("reset", "-q", "--hard", base)
	live := c.commit("new", "2")
	c.git("push", "-q", "-f", "teal", "main")
	n.set(old, live, strings.Repeat("ab", 20)) // one that was lost does no harm
	w.repos.clean(t.Context(), "shop")
	if !w.holds("shop", old) {
		t.Error("the commit of a release that is kept was removed")
	}
	push := deploy.Push{App: "shop", Ref: "refs/heads/main", New: old}
	if err := w.repos.Advance(t.Context(), push); err != nil { // as restart-previous does
		t.Error(err)
	}
	push.New = live
	if err := w.repos.Advance(t.Context(), push); err != nil {
		t.Error(err)
	}
	if out := c.git("ls-remote", "teal"); strings.Contains(out, keptRefs) {
		t.Errorf("kept commits are shown:\n%s", out)
	}
	n.set(live)
	w.repos.clean(t.Context(), "shop")
	if w.holds("shop", old) || !w.holds("shop", live) {
		t.Errorf("old is there: %v, what serves is there: %v", w.holds("shop", old), w.holds("shop", live))
	}
	w.sound("shop")
}

func TestPushIsNotKeptWaitingByACleanUp(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, time.Hour))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	n.set(c.head())
	c.git("push", "-q", "teal", "main")
	cleaning, done, ok := w.repos.lockIdle(t.Context(), "shop")
	if !ok {
		t.Fatal("the repository is busy")
	}
	go func() {
		defer done()
		<-cleaning.Done()
	}()
	next := c.commit("next", "x")
	c.git("push", "-q", "teal", "main")
	if !errors.Is(context.Cause(cleaning), errYielded) || w.ref("shop", "main") != next {
		t.Errorf("%v, the ref is at %s", context.Cause(cleaning), w.ref("shop", "main"))
	}
}

func TestNothingIsCleanedUpWhileAPushIsOnItsWay(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, time.Hour))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	q, err := w.repos.quarantine(t.Context(), "shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := w.repos.lockIdle(t.Context(), "shop"); ok {
		t.Error("a clean-up begins")
	}
	q.discard(t.Context(), nil)
	_, done, ok := w.repos.lockIdle(t.Context(), "shop")
	if !ok {
		t.Fatal("no clean-up begins after the push")
	}
	done()
}

func TestManyPushesBecomeOnePack(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, time.Hour))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	n.set(c.head())
	c.git("push", "-q", "teal", "main")
	for i := 1; w.packs("shop") < manyPacks-1; i++ {
		n.set(c.commit("f", fmt.Sprint(i)))
		c.git("push", "-q", "teal", "main")
	}
	n.set(c.commit("f", "last"))
	c.git("push", "-q", "teal", "main")
	eventually(t, "there is one pack", func() bool { return w.packs("shop") == 1 })
	w.sound("shop")
	c.git("clone", "-q", w.url("shop"), "copy")
}

func TestObjectsThatAKilledDaemonStoredForNobodyAreRemoved(t *testing.T) {
	t.Parallel()
	n := &needs{}
	w := newWorld(t, keeping(n, time.Hour))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	first := c.head()
	n.set(first)
	c.git("push", "-q", "teal", "main")
	lost := c.commit("lost", "x")
	// As it is after a kill between the pack's move and the deployment.
	q, err := w.repos.quarantine(t.Context(), "shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	in := newIntake(t.Context(), time.Minute)
	ended := make(chan struct{})
	go func() { defer close(ended); in.pump(strings.NewReader(string(c.packFor(lost)))) }()
	if err := q.indexPack(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	in.close()
	<-ended
	if err := q.migrate(t.Context()); err != nil || !w.holds("shop", lost) {
		t.Fatal(err)
	}
	if err := w.repos.Sweep(t.Context()); err != nil { // the next start
		t.Fatal(err)
	}
	w.repos.clean(t.Context(), "shop")
	if w.holds("shop", lost) || !w.holds("shop", first) {
		t.Errorf("lost: %v, what serves: %v", w.holds("shop", lost), w.holds("shop", first))
	}
	w.sound("shop")
}
