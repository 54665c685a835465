package deploy_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// slowly makes gradual promotions dwell long enough for a test to look at them.
func slowly(s *deploy.Settings) {
	s.Gradual, s.Dwell = []int{20, 50}, time.Hour
}

func TestAGradualPromotionGoesThroughItsSteps(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	stop := ask(d)
	defer stop()
	dep := mustPush(ctx, t, d, "two gradual", deploy.Live)
	log := strings.Join(w.Store.Log(dep.ID), "\n")
	for _, want := range []string{
		"==> 10 % of requests go to v2 on green for 20ms", "==> 10 % of requests: ", "==> 50 % of requests go to v2 on green",
		" errors, p99 ", "(live: ",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the pusher does not see %q:\n%s", want, log)
		}
	}
	if e := w.Store.String(); !hasEvent(w, deploy.Shifting, "v2 gets requests step by step") {
		t.Errorf("no event of the shift\n%s", e)
	}
	wantAnswer(t, d, "v2")
	if v, n := d.Router.Share("shop"); n != 0 {
		t.Errorf("%d %% still go to v%d", n, v)
	}
}

func TestTheFirstReleaseAndAReturnAreNeverGradual(t *testing.T) {
	w := deploytest.New(t)
	slowly(&w.Settings)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	shifting(t, d, 2, 20)
	if _, err := d.Promote(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, two, deploy.Live)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
	wantAnswer(t, d, "v1")
}

func TestACandidateThatFailsGetsNoMoreRequests(t *testing.T) {
	w := deploytest.New(t)
	slowly(&w.Settings)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	stop := ask(d)
	defer stop()
	dep := mustPush(ctx, t, d, "two errs", deploy.Failed)
	f := dep.Failure
	if f.Step != deploy.StepGradual || f.Regression == nil || !strings.Contains(f.Reason, "v2 answered 100.0 % of its requests with errors at 20 % of requests (v1: 0.0 %)") {
		t.Errorf("failure: %+v", f)
	}
	if f.Regression.New.Requests < 50 || f.Regression.New.Errors != f.Regression.New.Requests {
		t.Errorf("figures: %+v", f.Regression)
	}
	if all := w.Runtime.All(); len(all) != 1 || all[0] != "blue v1.1" {
		t.Errorf("left: %v", all)
	}
	if a := w.Store.Alerts(); len(a) != 1 || a[0].Failure.Regression == nil || a[0].ServingV != 1 {
		t.Errorf("alerts: %+v", a)
	}
	if w.Ref() != "one" {
		t.Errorf("the ref is at %q", w.Ref())
	}
	wantAnswer(t, d, "v1")
}

func TestACandidateThatIsMuchSlowerIsNotPromoted(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.After("AddEvent", func() {
		d.Router.Count(1, deploy.Figures{Requests: 500, P50: 20, P99: 80})
		d.Router.Count(2, deploy.Figures{Requests: 60, P50: 700, P99: 1500})
	})
	dep := mustPush(ctx, t, d, "two gradual", deploy.Failed)
	if f := dep.Failure; f.Regression == nil || !f.Regression.Slow || !strings.Contains(f.Reason, "v2 answers slowly at 10 % of requests: p50 700 ms, p99 1500 ms (v1: 20 ms, 80 ms)") {
		t.Errorf("failure: %+v", f)
	}
}

func TestAGradualPromotionGivesWay(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(context.Context, *deploytest.World, *deploytest.Daemon) error
		want deploy.State
		note string
		then string
	}{
		{"to a person who cancels it", func(ctx context.Context, _ *deploytest.World, d *deploytest.Daemon) error {
			_, err := d.Cancel(ctx, "shop", 0, "ben")
			return err
		}, deploy.Canceled, "canceled by ben", "v1"},
		{"to a newer push", func(ctx context.Context, _ *deploytest.World, d *deploytest.Daemon) error {
			dep, err := d.Push(ctx, "three", deploy.Options{})
			if err == nil {
				shifted := false
				for !shifted && ctx.Err() == nil {
					v, _ := d.Router.Share("shop")
					shifted = v == 3
				}
				_, err = d.Promote(ctx, "shop", "ben")
			}
			if err == nil {
				_, err = d.Wait(ctx, dep.ID, 0)
			}
			return err
		}, deploy.Superseded, "superseded by anna's push", "v3"},
		{"to the end of its instance", func(_ context.Context, w *deploytest.World, _ *deploytest.Daemon) error {
			w.Runtime.Kill("shop", 2)
			return nil
		}, deploy.Failed, "", "v1"},
		{"to a daemon that stops", func(_ context.Context, w *deploytest.World, _ *deploytest.Daemon) error {
			w.Close()
			return nil
		}, deploy.Failed, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := deploytest.New(t)
			slowly(&w.Settings)
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one", deploy.Live)
			dep, err := d.Push(ctx, "two", deploy.Options{})
			if err != nil {
				t.Fatal(err)
			}
			shifting(t, d, 2, 20)
			if err := c.act(ctx, w, d); err != nil {
				t.Fatal(err)
			}
			got := stored(t, w, dep.ID, func(d deploy.Deployment) bool { return d.State.Ended() })
			if got.State != c.want || !strings.Contains(got.Note, c.note) {
				t.Errorf("it is %s, note %q", got.State, got.Note)
			}
			if c.then != "" {
				eventually(t, func() bool { return d.Router.Get("shop", "/") == c.then }, "production never answers %s", c.then)
				return
			}
			d = w.Open()
			checkWorld(t, w, d, deploy.Deployment{})
			if _, n := d.Router.Share("shop"); n != 0 {
				t.Errorf("after a restart %d %% are shared", n)
			}
		})
	}
}

func TestTheLiveReleaseIsRepairedWhileAPromotionIsGradual(t *testing.T) {
	w := deploytest.New(t)
	slowly(&w.Settings)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	dep, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	shifting(t, d, 2, 20)
	w.Runtime.Kill("shop", 1)
	eventually(t, func() bool { return len(w.Runtime.Running()) == 2 }, "running: %v", w.Runtime.Running())
	shifting(t, d, 2, 20)
	if _, err := d.Promote(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
}

// shifting waits until the release gets its share.
func shifting(t *testing.T, d *deploytest.Daemon, release, percent int) {
	t.Helper()
	eventually(t, func() bool {
		v, n := d.Router.Share("shop")
		return v == release && n == percent
	}, "v%d never got its %d %%", release, percent)
}

// ask has four clients ask production until the returned function is called.
func ask(d *deploytest.Daemon) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				d.Router.Get("shop", "/work")
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

func hasEvent(w *deploytest.World, s deploy.State, text string) bool {
	for _, e := range w.Store.Events() {
		if e.State == s && strings.Contains(e.Text, text) {
			return true
		}
	}
	return false
}
