package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// The fault table: each step × {failed before its effect, failed after it, the
// process died before or after it}, of each thing that can be under way. Then
// a new engine opens on the same store and runtime, and three things must hold:
// the right color answers, nothing stray is left, the record is true. And the
// next push works.
func TestFaultTable(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(*deploy.Settings)
		begin func(*faultCase) // before the fault is planned
		act   func(*faultCase) // what the fault hits
		steps []string
	}{
		{
			name: "push", begin: (*faultCase).one, act: (*faultCase).pushTwo,
			steps: []string{
				"CreateDeployment", "Source", "Update building", "Build", "CreateRelease", "Update releasing", "Once",
				"Update starting", "Start", "Update probing", "Probe", "Activate", "Point", "Advance",
				"Update draining", "Drain", "Update live", "AppendLog",
			},
		},
		{
			name: "refused push", begin: (*faultCase).one, act: (*faultCase).pushBroken,
			steps: []string{"Remove", "RemoveImage", "MarkGone", "Update failed"},
		},
		{
			name: "rollback to a warm release", begin: (*faultCase).oneTwo, act: (*faultCase).rollback,
			steps: []string{"CreateDeployment", "Release", "Probe", "Activate", "Point", "Update draining", "Drain", "Update live"},
		},
		{
			name: "rollback to a sleeping release", set: noGrace, begin: (*faultCase).oneAsleepTwo, act: (*faultCase).rollback,
			steps: []string{
				"CreateDeployment", "Release", "Update starting", "Start", "Update probing", "Probe", "Activate", "Point",
				"Update draining", "Drain", "Update live",
			},
		},
		{
			name: "staging", begin: (*faultCase).one, act: (*faultCase).stageTwo,
			steps: []string{"Start", "Update probing", "Stage", "Update staged", "Point"},
		},
		{
			name: "promotion of a staged release", begin: (*faultCase).oneStagedTwo, act: (*faultCase).promote,
			steps: []string{"Start", "Update probing", "Probe", "Activate", "Point", "Advance", "Update draining", "Drain", "Update live"},
		},
		{
			name: "gradual push", begin: (*faultCase).one, act: (*faultCase).pushGradual,
			steps: []string{"Update shifting", "AddEvent", "Point", "Activate", "Advance", "Update draining", "Drain", "Update live"},
		},
		{
			name: "gradual push that is refused", begin: (*faultCase).one, act: (*faultCase).pushSlow,
			steps: []string{"Update shifting", "AddEvent", "Drain", "Remove", "RemoveImage", "MarkGone", "Update failed"},
		},
		{
			name: "return of the watch", begin: (*faultCase).oneTwoWatched, act: (*faultCase).failTwo,
			steps: []string{"AddEvent", "CreateDeployment", "Release", "Probe", "Activate", "Point", "Update draining", "Drain", "Update live"},
		},
		{
			name: "push of a single writer", begin: (*faultCase).oneSingle, act: (*faultCase).pushSingle,
			steps: []string{
				"CreateRelease", "Update releasing", "Once", "Update starting", "Point", "Drain", "List", "Release connections", "Stop",
				"Start", "Update probing", "Probe", "Activate", "Advance", "Update draining", "Update live", "Update asleep",
			},
		},
		{
			name: "push of a single writer that is refused", begin: (*faultCase).oneSingle, act: (*faultCase).pushSingleBroken,
			steps: []string{"Drain", "Stop", "Start", "Probe", "Remove", "RemoveImage", "MarkGone", "Update failed"},
		},
		{
			name: "rollback of a single writer", begin: (*faultCase).oneTwoSingle, act: (*faultCase).rollback,
			steps: []string{"CreateDeployment", "Update starting", "Drain", "Stop", "Start", "Update probing", "Probe", "Activate", "Point", "Update live"},
		},
		{
			name: "cancel of a staged release", begin: (*faultCase).oneStagedTwo, act: (*faultCase).cancel,
			steps: []string{"Stage", "Remove", "RemoveImage", "MarkGone", "Update canceled"},
		},
		{
			name: "end of a grace", set: noGrace, begin: (*faultCase).one, act: (*faultCase).pushTwo,
			steps: []string{"Release connections", "Stop", "List", "Update asleep"},
		},
		{
			name: "retention", set: func(s *deploy.Settings) { s.Keep = 0 }, begin: (*faultCase).oneTwo, act: (*faultCase).pushTwo,
			steps: []string{"Releases", "Remove", "RemoveImage", "MarkGone"},
		},
	} {
		for _, step := range c.steps {
			for _, mode := range deploytest.Modes() {
				if step == "Point" && (mode == deploytest.FailBefore || mode == deploytest.FailAfter) {
					continue // it can't fail: the table is memory
				}
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, step, mode), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
					defer cancel()
					f := &faultCase{t: t, ctx: ctx, w: deploytest.New(t)}
					if c.set != nil {
						c.set(&f.w.Settings)
					}
					f.d = f.w.Open()
					c.begin(f)
					f.d.Fail(step, mode)
					c.act(f)
					f.check(step, mode)
				})
			}
		}
	}
}

func noGrace(s *deploy.Settings) { s.Grace = time.Millisecond }

// faultCase is one cell of the table.
type faultCase struct {
	t    *testing.T
	ctx  context.Context
	w    *deploytest.World
	d    *deploytest.Daemon
	told deploy.Deployment // what the person who asked was told; zero: nothing
}

func (f *faultCase) one() { mustPush(f.ctx, f.t, f.d, "one migrates", deploy.Live) }

func (f *faultCase) oneTwo() {
	f.one()
	mustPush(f.ctx, f.t, f.d, "two", deploy.Live)
}

func (f *faultCase) oneAsleepTwo() {
	f.oneTwo()
	eventually(f.t, func() bool {
		d, err := f.w.Store.Deployment(f.ctx, 1)
		return err == nil && d.State == deploy.Asleep
	}, "v1 never slept")
}

func (f *faultCase) oneStagedTwo() {
	f.one()
	mustPushWith(f.ctx, f.t, f.d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
}

func (f *faultCase) pushTwo() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) {
		return f.d.Push(ctx, "two migrates", deploy.Options{})
	})
}

func (f *faultCase) pushGradual() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) {
		return f.d.Push(ctx, "two gradual", deploy.Options{})
	})
}

// pushSlow pushes a release that has too many errors when it has got a share.
func (f *faultCase) pushSlow() {
	f.d.Before("Update shifting", func() {
		f.d.After("Point", func() {
			f.d.Router.Count(1, well)
			f.d.Router.Count(2, sick)
		})
	})
	f.pushGradual()
}

func (f *faultCase) oneTwoWatched() { watched(f.t, f.w, f.d, "two") }

func (f *faultCase) failTwo() { f.d.Router.Count(2, sick) }

func (f *faultCase) oneSingle() { mustPush(f.ctx, f.t, f.d, "one single", deploy.Live) }

func (f *faultCase) oneTwoSingle() {
	f.oneSingle()
	mustPush(f.ctx, f.t, f.d, "two single", deploy.Live)
}

func (f *faultCase) pushSingle() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) {
		return f.d.Push(ctx, "two single migrates", deploy.Options{})
	})
}

func (f *faultCase) pushSingleBroken() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) {
		return f.d.Push(ctx, "two single broken", deploy.Options{})
	})
}

func (f *faultCase) pushBroken() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) { return f.d.Push(ctx, "broken", deploy.Options{}) })
}

func (f *faultCase) stageTwo() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) {
		return f.d.Push(ctx, "two", deploy.Options{NoPromote: true})
	})
}

func (f *faultCase) rollback() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) { return f.d.Rollback(ctx, "shop", 1, "ben") })
}

func (f *faultCase) promote() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) { return f.d.Promote(ctx, "shop", "ben") })
}

func (f *faultCase) cancel() {
	f.ask(func(ctx context.Context) (deploy.Deployment, error) { return f.d.Cancel(ctx, "shop", 0, "ben") })
}

// check waits for the fault, then asserts the three things.
func (f *faultCase) check(step string, mode deploytest.Mode) {
	eventually(f.t, func() bool { return f.d.Hit(step) }, "the fault at %s never happened\n%v", step, f.w.Store)
	if mode == deploytest.FailBefore || mode == deploytest.FailAfter {
		// The daemon lives on: what it told must be true, and stay so.
		checkWorld(f.t, f.w, f.d, f.told)
	}
	f.d = f.w.Open()
	checkWorld(f.t, f.w, f.d, f.told)
	mustPush(f.ctx, f.t, f.d, "three", deploy.Live)
	checkWorld(f.t, f.w, f.d, deploy.Deployment{})
}

// A destruction that broke off at any step is completed by doing it again, or
// has left an app that works.
func TestDestructionFaultTable(t *testing.T) {
	for _, step := range []string{"List", "Releases", "Remove", "RemoveImage", "Forget network", "Forget repository", "DeleteApp"} {
		for _, mode := range deploytest.Modes() {
			t.Run(fmt.Sprintf("%s/%s", step, mode), func(t *testing.T) {
				t.Parallel()
				ctx := within(t)
				w := deploytest.New(t)
				d := w.Open()
				mustPush(ctx, t, d, "one", deploy.Live)
				mustPush(ctx, t, d, "two", deploy.Live)
				d.Fail(step, mode)
				err := d.Destroy(ctx, "shop", "ben")
				eventually(t, func() bool { return d.Hit(step) }, "the fault at %s never happened", step)
				if mode == deploytest.DieBefore || mode == deploytest.DieAfter {
					d = w.Open()
				}
				if err != nil {
					if err := d.Destroy(ctx, "shop", "ben"); err != nil && !errors.Is(err, deploy.ErrNotFound) {
						t.Fatal(err)
					}
				}
				eventually(t, func() bool { return len(w.Runtime.All()) == 0 && w.Images() == 0 }, "left: %v, %d images", w.Runtime.All(), w.Images())
				w.Store.PutApp(deploy.App{Name: "shop"})
				mustPush(ctx, t, d, "three", deploy.Live)
				wantAnswer(t, d, "v1")
			})
		}
	}
}

// ask has someone ask for a deployment through the fault, and keeps what he is
// told, if anything.
func (f *faultCase) ask(begin func(context.Context) (deploy.Deployment, error)) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	d := f.d
	go func() { // who asked a daemon that died is cut off
		select {
		case <-d.Died():
			cancel()
		case <-stop:
		}
	}()
	dep, err := begin(ctx)
	if err != nil {
		return
	}
	dep, err = d.Wait(ctx, dep.ID, 2*time.Second)
	select {
	case <-d.Died(): // the dead tell nothing
		return
	default:
	}
	if err == nil {
		f.told = dep
	}
}

// checkWorld asserts the three things, as soon as the keeper has had its look.
func checkWorld(t *testing.T, w *deploytest.World, d *deploytest.Daemon, told deploy.Deployment) {
	t.Helper()
	<-d.Ready()
	var why string
	eventually(t, func() bool {
		why = untruth(w, d, told)
		return why == ""
	}, "%v\n%v", (*lazy)(&why), w.Store)
}

func untruth(w *deploytest.World, d *deploytest.Daemon, told deploy.Deployment) string {
	ctx := context.Background()
	app, err := w.Store.App(ctx, "shop")
	if err != nil {
		return err.Error()
	}
	if got, want := d.Router.Get("shop", "/"), deploy.ReleaseName(app.Live); got != want {
		return fmt.Sprintf("production answers %q, the store says %s", got, want)
	}
	for _, in := range w.Runtime.All() {
		if !strings.Contains(in, fmt.Sprintf(" v%d.", app.Live)) && !strings.Contains(in, fmt.Sprintf(" v%d.", app.Previous)) {
			if app.Staged != 0 && strings.Contains(in, fmt.Sprintf(" v%d.", app.Staged)) {
				continue
			}
			return fmt.Sprintf("stray instance %s (live v%d, previous v%d)", in, app.Live, app.Previous)
		}
	}
	return untrueRecord(w, app, told)
}

func untrueRecord(w *deploytest.World, app deploy.App, told deploy.Deployment) string {
	open, err := w.Store.Open(context.Background())
	if err != nil {
		return err.Error()
	}
	var live []int
	ref := ""
	for _, o := range open {
		if o.State == deploy.Staged && app.Staged == o.Release {
			continue
		}
		if o.State.Running() || o.State == deploy.Staged {
			return fmt.Sprintf("deployment %d is %s for ever", o.ID, o.State)
		}
		if o.State == deploy.Live {
			live = append(live, o.Release)
			if o.Color != app.Active {
				return fmt.Sprintf("deployment %d is live on %s, the app on %s", o.ID, o.Color, app.Active)
			}
			ref = o.Push.Commit.Subject
			if o.Cause.GoesBack() {
				ref = w.Ref() // a rollback leaves it alone
			}
		}
	}
	if !slices.Equal(live, []int{app.Live}) {
		return fmt.Sprintf("live deployments are of %v, the app's release is v%d", live, app.Live)
	}
	if why := untold(w, open); why != "" {
		return why
	}
	if w.Ref() != ref {
		return fmt.Sprintf("the ref is at %q, live is %q", w.Ref(), ref)
	}
	if told.ID == 0 {
		return ""
	}
	stored, err := w.Store.Deployment(context.Background(), told.ID)
	if err != nil {
		return err.Error()
	}
	if told.State.Committed() != stored.State.Committed() {
		return fmt.Sprintf("the pusher was told %s, the record says %s", told.State, stored.State)
	}
	if told.State.Ended() && told.State != stored.State {
		return fmt.Sprintf("the pusher was told %s, the record says %s", told.State, stored.State)
	}
	if told.Failure != nil && stored.Failure.Reason != told.Failure.Reason {
		return fmt.Sprintf("the pusher was told %q, the record says %q", told.Failure.Reason, stored.Failure.Reason)
	}
	return ""
}

// untold: when the watch has gone back, there is one mail that says so.
func untold(w *deploytest.World, open []deploy.Deployment) string {
	for _, o := range open {
		if o.Cause != deploy.CauseWatch || o.State != deploy.Live {
			continue
		}
		told := 0
		for _, a := range w.Store.Alerts() {
			if a.Deployment == o.ID && a.Failure.Step == deploy.StepWatch {
				told++
			}
		}
		if told != 1 {
			return fmt.Sprintf("the watch went back by deployment %d, and %d alerts tell of it", o.ID, told)
		}
	}
	return ""
}

// lazy is a string that is read when it is printed.
type lazy string

func (l *lazy) String() string { return string(*l) }
