package deploy_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// figures of a release that is well, and of one that is not.
var (
	well = deploy.Figures{Requests: 1000, Errors: 1, P50: 10, P99: 40}
	sick = deploy.Figures{Requests: 200, Errors: 90, P50: 10, P99: 40}
	slow = deploy.Figures{Requests: 200, P50: 600, P99: 2000}
)

// watched pushes a second release over one that has answered well.
func watched(t *testing.T, w *deploytest.World, d *deploytest.Daemon, text string) deploy.Deployment {
	t.Helper()
	ctx := within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.Router.Count(1, well)
	return mustPush(ctx, t, d, text, deploy.Live)
}

// wentBack waits for the watch's rollback.
func wentBack(t *testing.T, w *deploytest.World, id deploy.DeploymentID) deploy.Deployment {
	t.Helper()
	eventually(t, func() bool {
		d, err := w.Store.Deployment(t.Context(), id)
		return err == nil && (d.State == deploy.Live || d.State.Ended())
	}, "no rollback:\n%v", w.Store)
	d, _ := w.Store.Deployment(t.Context(), id)
	return d
}

func TestARegressionAfterTheSwitchGoesBackByItself(t *testing.T) {
	for name, figures := range map[string]deploy.Figures{"errors": sick, "latency": slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := deploytest.New(t)
			d := w.Open()
			bad := watched(t, w, d, "two")
			if !d.Traffic("shop").Watched {
				t.Error("v2 is not watched")
			}
			d.Router.Count(2, figures)
			eventually(t, func() bool {
				// For latency it must be slow for a minute of looks, with requests in each.
				d.Router.Count(2, deploy.Figures{Requests: 1000, P50: figures.P50, P99: figures.P99})
				return d.Router.Get("shop", "/") == "v1"
			}, "it never went back")
			back := wentBack(t, w, bad.ID+1)
			if back.State != deploy.Live || back.Cause != deploy.CauseWatch || back.Release != 1 || back.By != "" {
				t.Fatalf("rollback: %+v", back)
			}
			wantAnswer(t, d, "v1")
			if r := back.Receipt.Regression; r == nil || r.New.Release != 2 || r.Old.Release != 1 || r.Old.Requests < 1000 {
				t.Errorf("the receipt's figures: %+v", r)
			}
			app, _ := w.Store.App(t.Context(), "shop")
			if !app.PatchPinned || app.Previous != 2 {
				t.Errorf("app: %+v", app)
			}
			alerts := w.Store.Alerts()
			if len(alerts) != 1 || alerts[0].Failure.Step != deploy.StepWatch || alerts[0].Failure.Regression == nil || alerts[0].ServingV != 1 ||
				alerts[0].Pusher != "anna" || alerts[0].Commit.Subject != "two" {
				t.Errorf("alerts: %+v", alerts)
			}
			if !strings.Contains(back.Note, "v2 answer") {
				t.Errorf("the history says %q", back.Note)
			}
			if d.Traffic("shop").Watched {
				t.Error("the release that was brought back is watched")
			}
		})
	}
}

func TestNothingSwingsToAndFro(t *testing.T) {
	w := deploytest.New(t)
	d := w.Open()
	bad := watched(t, w, d, "two")
	d.Router.Count(2, sick)
	back := wentBack(t, w, bad.ID+1)
	d.Router.Count(1, sick) // the old one fails as well now
	looks := d.Calls("List")
	w.Runtime.Changed()
	eventually(t, func() bool { return d.Calls("List") > looks }, "the keeper never looked")
	if _, err := w.Store.Deployment(t.Context(), back.ID+1); err == nil {
		t.Errorf("it went on:\n%v", w.Store)
	}
	wantAnswer(t, d, "v1")
}

func TestAWatchNeedsSomethingToGoBackTo(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*deploy.Settings)
		base deploy.Figures
		then func(*testing.T, *deploytest.World, *deploytest.Daemon)
	}{
		{name: "it is off", set: func(s *deploy.Settings) { s.Watch = 0 }, base: well},
		{name: "there is no baseline", base: deploy.Figures{Requests: 30, P50: 1, P99: 1}},
		{name: "a person has gone back", base: well, then: func(t *testing.T, _ *deploytest.World, d *deploytest.Daemon) {
			mustWait(within(t), t, d, mustRollback(within(t), t, d, 1), deploy.Live)
			d.Router.Count(1, sick)
		}},
		{name: "the old one has ended", base: well, then: func(t *testing.T, w *deploytest.World, d *deploytest.Daemon) {
			w.Runtime.Kill("shop", 1)
			eventually(t, func() bool { return !d.Traffic("shop").Watched }, "the watch goes on")
		}},
		{name: "Teal was restarted", base: well, then: func(_ *testing.T, w *deploytest.World, d *deploytest.Daemon) {
			*d = *w.Open()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := deploytest.New(t)
			if c.set != nil {
				c.set(&w.Settings)
			}
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one", deploy.Live)
			d.Router.Count(1, c.base)
			mustPush(ctx, t, d, "two", deploy.Live)
			if c.then != nil {
				c.then(t, w, d)
			}
			<-d.Ready()
			app, _ := w.Store.App(ctx, "shop")
			d.Router.Count(2, sick)
			if d.Traffic("shop").Watched {
				t.Error("it is watched")
			}
			wantAnswer(t, d, deploy.ReleaseName(app.Live))
		})
	}
}

func TestTheWatchStaysWhenTheOldReleaseIsNotWellEither(t *testing.T) {
	w := deploytest.New(t)
	d := w.Open()
	bad := watched(t, w, d, "two")
	d.FailUntilHealed("Probe", deploytest.FailBefore)
	d.Router.Count(2, sick)
	back := wentBack(t, w, bad.ID+1)
	if back.State != deploy.Failed || back.Failure.Step != deploy.StepWatch || !strings.Contains(back.Failure.Reason, "v1 is not well either") {
		t.Errorf("rollback: %s, %+v", back.State, back.Failure)
	}
	wantAnswer(t, d, "v2")
	if a := w.Store.Alerts(); len(a) != 1 || a[0].Failure.Regression == nil {
		t.Errorf("alerts: %+v", a)
	}
}

func TestTheOldReleaseRunsUntilTheWatchIsOver(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace, w.Settings.Watch = time.Millisecond, 300*time.Millisecond
	d := w.Open()
	var told atomic.Bool
	d.Before("Stop", func() { told.Store(hasEvent(w, "", "v2 did well for 300ms")) })
	watched(t, w, d, "two")
	eventually(t, func() bool { return len(w.Runtime.Running()) == 1 }, "v1 never slept: %v", w.Runtime.Running())
	if !told.Load() {
		t.Error("v1 was stopped before the watch was over, or no event tells of the watch")
	}
}

func TestAWatchGoesBeforeAPushThatIsUnderWay(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	watched(t, w, d, "two")
	g := holdBuilds(w)
	three, err := d.Push(ctx, "three", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	d.Router.Count(2, sick)
	three = mustWait(ctx, t, d, three, deploy.Superseded)
	if !strings.Contains(three.Note, "superseded by Teal's return to v1") {
		t.Errorf("the pusher is told %q", three.Note)
	}
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v1" }, "it never went back")
}
