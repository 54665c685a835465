package deploy_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// pushTo pushes to an app, which is made if need be, and waits until it is live.
func pushTo(ctx context.Context, t *testing.T, w *deploytest.World, d *deploytest.Daemon, app deploy.AppName, text string) deploy.Deployment {
	t.Helper()
	if _, err := w.Store.App(ctx, app); err != nil {
		w.Store.PutApp(deploy.App{Name: app})
	}
	push := w.Commit(text, deploy.Options{})
	push.App = app
	dep, err := d.Receive(ctx, push)
	if err != nil {
		t.Fatal(err)
	}
	return mustWait(ctx, t, d, dep, deploy.Live)
}

// patchTurnOf runs the schedule's turn of the app and gives how it ended.
func patchTurnOf(ctx context.Context, t *testing.T, d *deploytest.Daemon, app deploy.AppName) (deploy.State, error) {
	t.Helper()
	dep, err := d.PatchDue(ctx, app)
	if err != nil {
		if !errors.Is(err, deploy.ErrNothing) {
			t.Fatal(err)
		}
		return "", err
	}
	if dep, err = d.Wait(ctx, dep.ID, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	return dep.State, nil
}

// onStacks is a world in which what an app stands on is part of its commit's
// text, and in which every patch of one whose text has "sour" fails.
func onStacks(t *testing.T) (w *deploytest.World, later *atomic.Int64) {
	w, later = deploytest.New(t), &atomic.Int64{}
	w.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	w.Pending = func(image string) deploy.Pending {
		return deploy.Pending{Changes: []deploy.Change{openssl}, Stack: strings.Fields(image)[1]}
	}
	w.Building = func(_ context.Context, req deploy.BuildRequest, _ io.Writer) error {
		if req.Refresh && strings.Contains(req.Commit.Subject, "sour") {
			return &deploy.Failure{Step: deploy.StepBuild, Reason: "step 3/4 ended with exit code 1"}
		}
		return nil
	}
	return w, later
}

// TestTwoFailedAppsStopTheLineOfTheirStackAcrossARestart: what makes the patches
// of two apps fail is likely to be the stack, and a Teal that is restarted
// between two runs of a night knows it still.
func TestTwoFailedAppsStopTheLineOfTheirStackAcrossARestart(t *testing.T) {
	w, later := onStacks(t)
	d, ctx := w.Open(), within(t)
	for app, text := range map[deploy.AppName]string{
		"api": "api python sour", "blog": "blog node sour", "cart": "cart python sour", "docs": "docs python well", "wiki": "wiki node well",
	} {
		pushTo(ctx, t, w, d, app, text)
	}
	w.RefreshBases()
	ends := func(app deploy.AppName, want deploy.State) {
		t.Helper()
		if got, why := patchTurnOf(ctx, t, d, app); got != want {
			t.Errorf("the patch of %s: %s, %v; want %s", app, got, why, want)
		}
	}
	ends("api", deploy.Failed)
	ends("blog", deploy.Failed)
	d = w.Open()
	ends("cart", deploy.Failed)
	d = w.Open()
	_, why := patchTurnOf(ctx, t, d, "docs")
	wantNothing(t, why, "left out of this patch run: the patches of api, cart, on the same stack, failed")
	if plan, err := d.PlanPatch(ctx, "docs"); err != nil || !strings.Contains(plan.Held, "left out of this patch run") {
		t.Errorf("the plan says %q, %v", plan.Held, err)
	}
	ends("wiki", deploy.Live) // one failure on its stack is no reason

	later.Add(int64(5 * time.Hour)) // another app's window may open hours later
	_, why = patchTurnOf(ctx, t, d, "docs")
	wantNothing(t, why, "left out of this patch run")
	dep, err := d.Patch(ctx, "docs") // a person asks nobody
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)

	later.Add(int64(18 * time.Hour)) // the next night tries anew
	w.RefreshBases()
	ends("docs", deploy.Live)
}

// TestPatchThatTheWatchTookBackStopsTheLineToo: it went live and failed there.
func TestPatchThatTheWatchTookBackStopsTheLineToo(t *testing.T) {
	w, _ := onStacks(t)
	d, ctx := w.Open(), within(t)
	pushTo(ctx, t, w, d, "shop", "shop python well")
	pushTo(ctx, t, w, d, "api", "api python sour")
	pushTo(ctx, t, w, d, "docs", "docs python well")
	w.RefreshBases()
	if got, why := patchTurnOf(ctx, t, d, "api"); got != deploy.Failed {
		t.Fatalf("%s, %v", got, why)
	}
	d.Router.Count(1, well)
	if got, why := patchTurnOf(ctx, t, d, "shop"); got != deploy.Live {
		t.Fatalf("%s, %v", got, why)
	}
	d.Router.Count(2, sick)
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v1" }, "it never went back")
	_, why := patchTurnOf(ctx, t, d, "docs")
	wantNothing(t, why, "the patches of api, shop, on the same stack, failed")
}
