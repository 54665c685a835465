package deploy_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// crowd asks production without pause and notes every answer that is no
// release's.
type crowd struct {
	wg     sync.WaitGroup
	over   atomic.Bool
	asked  atomic.Int64
	failed sync.Map // answer → true
}

func gather(d *deploytest.Daemon) *crowd {
	c := &crowd{}
	for range 6 {
		c.wg.Go(func() {
			for !c.over.Load() {
				if got := d.Router.Get("shop", "/"); !strings.HasPrefix(got, "v") {
					c.failed.Store(got, true)
				}
				c.asked.Add(1)
			}
		})
	}
	return c
}

func (c *crowd) wantAllAnswered(t *testing.T) {
	t.Helper()
	c.over.Store(true)
	c.wg.Wait()
	c.failed.Range(func(answer, _ any) bool {
		t.Errorf("a request got %q", answer)
		return true
	})
	t.Logf("%d requests", c.asked.Load())
}

// The runtime of these tests fails them when two releases of a single writer
// run at once.
func TestASingleWriterIsReplacedWithoutAFailedRequest(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one single", deploy.Live)
	c := gather(d)
	for i, text := range []string{"two single", "three single thrice", "four single"} {
		dep := mustPush(ctx, t, d, text, deploy.Live)
		if r := dep.Receipt; r == nil || r.Held <= 0 || r.Cut != 0 {
			t.Errorf("receipt: %+v", r)
		}
		want := fmt.Sprintf(" v%d.", i+2)
		for _, in := range w.Runtime.Running() {
			if !strings.Contains(in, want) {
				t.Errorf("%s runs", in)
			}
		}
	}
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	c.wantAllAnswered(t)
	wantAnswer(t, d, "v3")
}

func TestASingleWriterThatIsNotWellIsTakenBackWithoutAFailedRequest(t *testing.T) {
	for _, bad := range []string{"two single broken", "two single exits"} {
		t.Run(bad, func(t *testing.T) {
			w := deploytest.New(t)
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one single", deploy.Live)
			c := gather(d)
			dep := mustPush(ctx, t, d, bad, deploy.Failed)
			c.wantAllAnswered(t)
			wantAnswer(t, d, "v1")
			if all := w.Runtime.All(); len(all) != 1 || all[0] != "blue v1.1" {
				t.Errorf("left: %v", all)
			}
			log := strings.Join(w.Store.Log(dep.ID), "\n")
			for _, want := range []string{"requests wait, at most 1m0s, while v1 stops and v2 starts", "==> v1 stopped in", "==> v1 serves again"} {
				if !strings.Contains(log, want) {
					t.Errorf("the pusher does not see %q:\n%s", want, log)
				}
			}
		})
	}
}

func TestTheHoldIsNotOutlastedByAReleaseThatTakesLong(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Hold, w.Settings.StartTimeout = 8*time.Second, time.Minute
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one single", deploy.Live)
	c := gather(d)
	began := time.Now()
	mustPush(ctx, t, d, "two single broken", deploy.Failed)
	t.Logf("refused after %v", time.Since(began))
	c.wantAllAnswered(t) // none waited longer than the hold
	wantAnswer(t, d, "v1")
}

func TestASingleWriterCannotBeStaged(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one single", deploy.Live)
	dep := mustPushWith(ctx, t, d, "two single migrates", deploy.Options{NoPromote: true}, deploy.Failed)
	if !strings.Contains(dep.Failure.Reason, "cannot wait on the preview") || d.Calls("Once") != 0 {
		t.Errorf("failure: %v, release command run %d times", dep.Failure, d.Calls("Once"))
	}
	wantAnswer(t, d, "v1")
}

func TestAnAppThatStopsBeingASingleWriterIsReplacedAlone(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one single", deploy.Live)
	mustPush(ctx, t, d, "two gradual", deploy.Live)
	if got := w.Runtime.Running(); len(got) != 1 {
		t.Errorf("running: %v", got)
	}
	mustPush(ctx, t, d, "three", deploy.Live)
	if got := w.Runtime.Running(); len(got) != 2 {
		t.Errorf("running: %v", got)
	}
	mustPush(ctx, t, d, "four single", deploy.Live) // while v2 is warm, too
	if got := w.Runtime.Running(); len(got) != 1 {
		t.Errorf("running: %v", got)
	}
}

func TestACanceledReplacementBringsTheOldOneBack(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.StartTimeout = time.Minute // it is canceled before
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one single", deploy.Live)
	dep, err := d.Push(ctx, "two single broken", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	eventually(t, func() bool { return len(w.Runtime.Running()) == 1 && w.Runtime.Running()[0] == "green v2.1" }, "v2 never ran alone")
	go func() { answer <- d.Router.Get("shop", "/") }()
	eventually(t, func() bool { return d.Router.Waiting() == 1 }, "the request does not wait")
	if _, err := d.Cancel(ctx, "shop", 0, "ben"); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "v1" {
		t.Errorf("the request that waited got %q", got)
	}
	mustWait(ctx, t, d, dep, deploy.Canceled)
}

// A daemon that is killed while neither runs, or the new one only, is followed by
// one that starts the old one, and nothing beside it.
func TestAKilledReplacementBringsTheOldOneBack(t *testing.T) {
	for _, at := range []string{"Stop", "Start", "Probe", "Activate"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := deploytest.New(t)
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one single", deploy.Live)
			mode := deploytest.DieAfter
			if at == "Activate" {
				mode = deploytest.DieBefore
			}
			d.Fail(at, mode)
			if _, err := d.Push(ctx, "two single", deploy.Options{}); err != nil {
				t.Fatal(err)
			}
			<-d.Died()
			d = w.Open()
			<-d.Ready()
			eventually(t, func() bool { return d.Router.Get("shop", "/") == "v1" }, "v1 never answered")
			eventually(t, func() bool { return len(w.Runtime.All()) == 1 }, "left: %v", w.Runtime.All())
		})
	}
}
