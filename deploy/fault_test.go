package deploy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// The fault table: each step × {failed before its effect, failed after it, the
// process died before or after it}, while a second push replaces a first one.
// Then a new engine opens on the same store and runtime, and three things must
// hold: the right color answers, nothing stray is left, the record is true.
func TestFaultTable(t *testing.T) {
	steps := []string{
		"CreateDeployment", "Source", "Update building", "Build", "CreateRelease", "Update releasing", "Once",
		"Update starting", "Start", "Update probing", "Probe", "Activate", "Point", "Advance",
		"Update draining", "Drain", "Update live", "AppendLog",
	}
	for _, step := range steps {
		for _, mode := range deploytest.Modes() {
			t.Run(fmt.Sprintf("%s/%s", step, mode), func(t *testing.T) {
				t.Parallel()
				faultWhilePushing(t, step, mode)
			})
		}
	}
}

func faultWhilePushing(t *testing.T, step string, mode deploytest.Mode) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := deploytest.New(t)
	d := w.Open()
	mustPush(ctx, t, d, "one migrates", deploy.Live)

	d.Fail(step, mode)
	told := pushThroughFault(ctx, t, d)
	eventually(t, func() bool { return d.Hit(step) }, "the fault at %s never happened\n%v", step, w.Store)

	if mode == deploytest.FailBefore || mode == deploytest.FailAfter {
		// The daemon lives on: what it told must be true, and stay so.
		checkWorld(t, w, d, told)
	}
	d = w.Open()
	checkWorld(t, w, d, told)
	mustPush(ctx, t, d, "three", deploy.Live) // and the next push works
	checkWorld(t, w, d, deploy.Deployment{})
}

// pushThroughFault pushes and returns what the pusher was told, if anything.
func pushThroughFault(ctx context.Context, t *testing.T, d *deploytest.Daemon) deploy.Deployment {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // a pusher of a dead daemon is cut off
		select {
		case <-d.Died():
			cancel()
		case <-stop:
		}
	}()
	dep, err := d.Push(ctx, "two migrates", deploy.Options{})
	if err != nil {
		return deploy.Deployment{}
	}
	dep, err = d.Wait(ctx, dep.ID, 2*time.Second)
	if err != nil {
		return deploy.Deployment{}
	}
	return dep
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
		if o.State.Running() || o.State == deploy.Staged {
			return fmt.Sprintf("deployment %d is %s for ever", o.ID, o.State)
		}
		if o.State == deploy.Live {
			live = append(live, o.Release)
			if o.Color != app.Active {
				return fmt.Sprintf("deployment %d is live on %s, the app on %s", o.ID, o.Color, app.Active)
			}
			ref = o.Push.Commit.Subject
		}
	}
	if !slices.Equal(live, []int{app.Live}) {
		return fmt.Sprintf("live deployments are of %v, the app's release is v%d", live, app.Live)
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
	return ""
}

func mustPush(ctx context.Context, t *testing.T, d *deploytest.Daemon, text string, want deploy.State) deploy.Deployment {
	t.Helper()
	return mustPushWith(ctx, t, d, text, deploy.Options{}, want)
}

func mustPushWith(ctx context.Context, t *testing.T, d *deploytest.Daemon, text string, o deploy.Options, want deploy.State) deploy.Deployment {
	t.Helper()
	dep, err := d.Push(ctx, text, o)
	if err != nil {
		t.Fatal(err)
	}
	return mustWait(ctx, t, d, dep, want)
}

func mustWait(ctx context.Context, t *testing.T, d *deploytest.Daemon, dep deploy.Deployment, want deploy.State) deploy.Deployment {
	t.Helper()
	dep, err := d.Wait(ctx, dep.ID, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if dep.State != want {
		t.Fatalf("deployment %d is %s (%v, note %q), want %s", dep.ID, dep.State, dep.Failure, dep.Note, want)
	}
	return dep
}

// lazy is a string that is read when it is printed.
type lazy string

func (l *lazy) String() string { return string(*l) }

// eventually polls until ok holds.
func eventually(t *testing.T, ok func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf(format, args...)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
