package deploy_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// inItsPatch gives an app whose scheduled patch is being built.
func inItsPatch(t *testing.T) (ctx context.Context, w *deploytest.World, d *deploytest.Daemon, patch deploy.Deployment, open func()) {
	t.Helper()
	w = deploytest.New(t)
	w.Pending = pending(openssl)
	d, ctx = w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	w.RefreshBases()
	g := holdBuilds(w)
	patch, err := d.PatchDue(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	return ctx, w, d, patch, func() { close(g.open) }
}

func TestAPushInTheMiddleOfAPatchTakesItsPlace(t *testing.T) {
	ctx, w, d, patch, open := inItsPatch(t)
	dep, err := d.Push(ctx, "three", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, patch, deploy.Superseded)
	open()
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v3")
	if r := w.PatchRecord("shop"); r.Failures != 0 || !r.FailedAt.IsZero() {
		t.Errorf("that counts as a failure: %+v", r)
	}
}

func TestARollbackInTheMiddleOfAPatchTakesItsPlaceAndPinsTheApp(t *testing.T) {
	ctx, _, d, patch, open := inItsPatch(t)
	defer open()
	back := mustRollback(ctx, t, d, 0)
	mustWait(ctx, t, d, patch, deploy.Superseded)
	mustWait(ctx, t, d, back, deploy.Live)
	wantAnswer(t, d, "v1")
	for name, patch := range map[string]func(context.Context, deploy.AppName) (deploy.Deployment, error){"scheduled": d.PatchDue, "--now": d.Patch} {
		if _, err := patch(ctx, "shop"); !errors.Is(err, deploy.ErrNothing) || !strings.Contains(err.Error(), "waits for the next push") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADestructionInTheMiddleOfAPatchEndsItAndTheNextAppsTurnComes(t *testing.T) {
	ctx, w, d, patch, open := inItsPatch(t)
	if err := d.Destroy(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	if dep, err := d.Wait(ctx, patch.ID, time.Second); err == nil && !dep.State.Ended() {
		t.Errorf("the patch is %s", dep.State)
	}
	open()
	pushTo(ctx, t, w, d, "blog", "blog 1")
	w.RefreshBases()
	if got, why := patchTurnOf(ctx, t, d, "blog"); got != deploy.Live {
		t.Errorf("%s, %v", got, why)
	}
}

// TestAPatchWaitsForWhatIsUnderWay: the scheduled one is tried again later, and a
// person is told what is under way; neither disturbs it.
func TestAPatchWaitsForWhatIsUnderWay(t *testing.T) {
	t.Run("another patch of the app", func(t *testing.T) {
		ctx, _, d, patch, open := inItsPatch(t)
		for name, again := range map[string]func(context.Context, deploy.AppName) (deploy.Deployment, error){"scheduled": d.PatchDue, "--now": d.Patch} {
			if _, err := again(ctx, "shop"); !errors.Is(err, deploy.ErrBusy) {
				t.Errorf("%s: %v", name, err)
			}
		}
		open()
		mustWait(ctx, t, d, patch, deploy.Live)
		wantAnswer(t, d, "v3")
	})
	t.Run("a gradual promotion", func(t *testing.T) {
		w := deploytest.New(t)
		w.Pending = pending(openssl)
		slowly(&w.Settings)
		d, ctx := w.Open(), within(t)
		mustPush(ctx, t, d, "one", deploy.Live)
		two, err := d.Push(ctx, "two", deploy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		shifting(t, d, 2, 20)
		if _, err := d.PatchDue(ctx, "shop"); !errors.Is(err, deploy.ErrBusy) {
			t.Errorf("scheduled: %v", err)
		}
		if _, err := d.Patch(ctx, "shop"); !errors.Is(err, deploy.ErrBusy) {
			t.Errorf("--now: %v", err)
		}
		shifting(t, d, 2, 20)
		if _, err := d.Promote(ctx, "shop", "ben"); err != nil {
			t.Fatal(err)
		}
		mustWait(ctx, t, d, two, deploy.Live)
	})
}

// TestAPatchRunsTheReleaseCommandAgain, in the patched image; when it fails,
// production is left alone.
func TestAPatchRunsTheReleaseCommandAgain(t *testing.T) {
	w := deploytest.New(t)
	w.Pending = pending(openssl)
	var ran []string
	code := 0
	w.Once = func(_ context.Context, r deploy.Release, _ []string, _ io.Writer) (deploy.Exit, error) {
		ran = append(ran, r.Image)
		return deploy.Exit{Code: code}, nil
	}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one migrates", deploy.Live)
	w.RefreshBases()
	if dep, why := patchDue(ctx, t, d); dep.State != deploy.Live {
		t.Fatalf("%s, %v", dep.State, why)
	}
	code = 1
	w.RefreshBases()
	if dep, _ := patchDue(ctx, t, d); dep.State != deploy.Failed || dep.Failure.Step != deploy.StepRelease {
		t.Fatalf("%s, %+v", dep.State, dep.Failure)
	}
	if got := strings.Join(ran, ", "); got != "sha256:one migrates/0, sha256:one migrates/1, sha256:one migrates/2" {
		t.Errorf("it ran in %s", got)
	}
	wantAnswer(t, d, "v2")
	if got := w.Store.Alerts(); len(got) != 1 {
		t.Errorf("alerts: %+v", got)
	}
}
