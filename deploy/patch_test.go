package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

var openssl = deploy.Change{Kind: deploy.PackageDeb, Name: "openssl", Old: "3.0.15-1", New: "3.0.17-1", Security: true}

func pending(changes ...deploy.Change) func(string) deploy.Pending {
	return func(string) deploy.Pending {
		return deploy.Pending{Changes: changes, Remedy: "build it anew", Stack: "teal/base"}
	}
}

// patchDue runs the schedule's turn and waits for its end; dep is zero when there
// was nothing to do.
func patchDue(ctx context.Context, t *testing.T, d *deploytest.Daemon) (dep deploy.Deployment, why error) {
	t.Helper()
	dep, err := d.PatchDue(ctx, "shop")
	if err != nil {
		if !errors.Is(err, deploy.ErrNothing) {
			t.Fatal(err)
		}
		return dep, err
	}
	dep, err = d.Wait(ctx, dep.ID, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return dep, nil
}

func wantNothing(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("%v, want %q", err, part)
	}
}

func TestScheduledRunWithNothingOutOfDateIsAnEventAndNoDeployment(t *testing.T) {
	w := deploytest.New(t)
	w.Pending = pending()
	d, ctx := w.Open(), within(t)
	first := mustPush(ctx, t, d, "one", deploy.Live)
	dep, why := patchDue(ctx, t, d)
	wantNothing(t, why, "no updates for v1: every package is as new as its archive has it")
	if dep.ID != 0 {
		t.Errorf("a deployment was made after %d: %+v", first.ID, dep)
	}
	if got := w.Runtime.All(); !slices.Equal(got, []string{"blue v1.1"}) {
		t.Errorf("something restarted: %v", got)
	}
}

func TestPatchThatChangesNothingSaysThatNeitherBaseNorStepsBringTheUpdates(t *testing.T) {
	for layer, hint := range map[bool]bool{false: true, true: false} {
		w := deploytest.New(t)
		w.Pending = pending(openssl)
		w.Settings.Patch.Layer = layer
		d, ctx := w.Open(), within(t)
		mustPush(ctx, t, d, "one", deploy.Live)
		dep, _ := patchDue(ctx, t, d)
		if dep.State != deploy.Canceled || !strings.Contains(dep.Note, "the same packages, although there are 1 updates (openssl 3.0.15-1 → 3.0.17-1): neither the base image nor the app's own steps bring them") ||
			strings.Contains(dep.Note, "layer = true") != hint {
			t.Errorf("layer %t: %s: %q", layer, dep.State, dep.Note)
		}
		if got := w.Images(); got != 1 {
			t.Errorf("%d images, want the one that serves", got)
		}
	}
}

// TestBuildThatBroughtNothingIsNotRepeatedEveryNight: nor does it leave a
// deployment in the history every night. Other updates, a push and a week make it
// worth another one.
func TestBuildThatBroughtNothingIsNotRepeatedEveryNight(t *testing.T) {
	var later atomic.Int64
	w := deploytest.New(t)
	w.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	night := func() { later.Add(int64(24 * time.Hour)) }
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	unknown := func(why string, changes ...deploy.Change) {
		w.Pending = func(string) deploy.Pending {
			return deploy.Pending{Changes: changes, Unknown: []string{why}, Stack: "debian:12"}
		}
	}
	var builds atomic.Int32
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error { builds.Add(1); return nil }
	idle := func(nights int) {
		t.Helper()
		before := builds.Load()
		for range nights {
			night()
			_, why := patchDue(ctx, t, d)
			wantNothing(t, why, "was built anew and held the same packages")
		}
		if builds.Load() != before {
			t.Errorf("%d builds in %d nights", builds.Load()-before, nights)
		}
	}
	built := func() {
		t.Helper()
		night()
		if dep, why := patchDue(ctx, t, d); dep.State != deploy.Canceled || !strings.Contains(dep.Note, "the same packages") {
			t.Fatalf("%s %q, %v", dep.State, dep.Note, why)
		}
	}
	unknown("its registry does not answer: dial tcp 10.0.0.1:5000")
	built()
	unknown("its registry does not answer: dial tcp 10.0.0.1:5001")
	idle(6)
	built() // a week later
	unknown("the same", openssl)
	built() // an update
	idle(2)
	plan, err := d.PlanPatch(ctx, "shop")
	if err != nil || !strings.Contains(plan.Held, "tried again after") {
		t.Errorf("the plan says %q, %v", plan.Held, err)
	}
	mustPush(ctx, t, d, "two", deploy.Live)
	built() // a release of other steps
	idle(1)
	w.RefreshBases()
	for range 6 {
		night()
	}
	if dep, why := patchDue(ctx, t, d); dep.State != deploy.Live {
		t.Errorf("%s, %v", dep.State, why)
	}
	if r := w.PatchRecord("shop"); r.IdleKey != "" {
		t.Errorf("after a success: %+v", r)
	}
}

func TestPatchThatDiffersIsDeployedWithItsDifference(t *testing.T) {
	w := deploytest.New(t)
	w.Pending = pending(openssl)
	w.Settings.Patch.Tell = true
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.RefreshBases()
	dep, _ := patchDue(ctx, t, d)
	if dep.State != deploy.Live || dep.Replaces != 1 || len(dep.Changes) != 1 || !strings.HasPrefix(dep.Note, "patched: bits sha256:one/0 → sha256:one/1") {
		t.Fatalf("%+v", dep)
	}
	wantAnswer(t, d, "v2")
	posted := w.Posted()
	if len(posted) != 1 || posted[0].News != deploy.NewsPatched || posted[0].ServingV != 2 {
		t.Errorf("told: %+v", posted)
	}
}

func TestUpdatesThatFailedAreLeftAloneLongerEachTimeUntilThereAreOthers(t *testing.T) {
	var later atomic.Int64
	w := deploytest.New(t)
	w.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	w.Pending = pending(openssl)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error {
		return &deploy.Failure{Step: deploy.StepBuild, Reason: "step 3/4 ended with exit code 1"}
	}
	fails := func() {
		t.Helper()
		if dep, why := patchDue(ctx, t, d); dep.State != deploy.Failed {
			t.Fatalf("%s, %v", dep.State, why)
		}
	}
	rests := func(words string) {
		t.Helper()
		_, why := patchDue(ctx, t, d)
		wantNothing(t, why, words)
	}
	day := int64(24 * time.Hour)
	fails()
	rests("the same updates failed once")
	later.Add(day)
	fails()
	later.Add(day)
	rests("the same updates failed 2 times")
	later.Add(day)
	fails()
	rests("failed 3 times")
	other := openssl
	other.New = "3.0.18-1"
	w.Pending = pending(other)
	later.Add(day)
	fails()
	rests("failed once")
	if dep, err := d.Patch(ctx, "shop"); err != nil { // a person asks nobody
		t.Error(err)
	} else {
		mustWait(ctx, t, d, dep, deploy.Failed)
	}
	w.Building = nil
	w.RefreshBases()
	later.Add(20 * day)
	if dep, why := patchDue(ctx, t, d); dep.State != deploy.Live {
		t.Errorf("%s, %v", dep.State, why)
	}
	if r := w.PatchRecord("shop"); r.Failures != 0 || r.FailedKey != "" {
		t.Errorf("after a success: %+v", r)
	}
}

func TestSettingsOfTheAppHoldItsPatches(t *testing.T) {
	for name, c := range map[string]struct {
		settings deploy.PatchSettings
		pending  deploy.Change
		want     string
		mails    int
	}{
		"off":      {deploy.PatchSettings{Mode: deploy.PatchOff}, openssl, `[patch] mode = "off"`, 0},
		"notify":   {deploy.PatchSettings{Mode: deploy.PatchNotify}, openssl, "waits for you: 1 updates: openssl 3.0.15-1 → 3.0.17-1 (patch shop --now)", 1},
		"security": {deploy.PatchSettings{Scope: deploy.ScopeSecurity}, deploy.Change{Kind: deploy.PackageDeb, Name: "tzdata", Old: "1", New: "2"}, "none of them for security", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := deploytest.New(t)
			w.Settings.Patch, w.Pending = c.settings, pending(c.pending)
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one", deploy.Live)
			w.RefreshBases()
			for range 2 { // the second time nobody is told again
				_, why := patchDue(ctx, t, d)
				wantNothing(t, why, c.want)
			}
			if got := w.Posted(); len(got) != c.mails {
				t.Errorf("told: %+v", got)
			}
			dep, err := d.Patch(ctx, "shop")
			if err != nil {
				t.Fatal(err)
			}
			mustWait(ctx, t, d, dep, deploy.Live)
		})
	}
}

func TestDryRunChangesNoAppAndSaysWhatHoldsTheSchedule(t *testing.T) {
	w := deploytest.New(t)
	w.Pending = pending(openssl)
	d, ctx := w.Open(), within(t)
	if _, err := d.PlanPatch(ctx, "shop"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("before anything is live: %v", err)
	}
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	w.RefreshBases() // a patch would bring another image
	stands := func() string {
		app, _ := w.Store.App(ctx, "shop")
		releases, _ := w.Store.Releases(ctx, "shop")
		return fmt.Sprint(app, len(releases), w.Runtime.All(), w.Images(), len(w.Store.Events()), d.Calls("CreateDeployment"), d.Calls("Build"), d.Calls("Once"))
	}
	before := stands()
	plan, err := d.PlanPatch(ctx, "shop")
	if err != nil || len(plan.Pending.Changes) != 1 || plan.Held != "" || plan.Live.Number != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if after := stands(); after != before {
		t.Errorf("%s became %s", before, after)
	}
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	if plan, err = d.PlanPatch(ctx, "shop"); err != nil || !strings.Contains(plan.Held, "waits for the next push") {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err := d.PatchDue(ctx, "shop"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("a pinned app: %v", err)
	}
}

func TestOneAppIsPatchedAtATime(t *testing.T) {
	w := deploytest.New(t)
	w.Store.PutApp(deploy.App{Name: "blog"})
	w.Pending = pending(openssl)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	push := w.Commit("two", deploy.Options{})
	push.App = "blog"
	dep, err := d.Receive(ctx, push)
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	w.RefreshBases()
	var now, most atomic.Int32
	g := holdBuilds(w)
	held := w.Building
	w.Building = func(ctx context.Context, req deploy.BuildRequest, log io.Writer) error {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return held(ctx, req, log)
	}
	var both []deploy.Deployment
	for _, app := range []deploy.AppName{"shop", "blog"} {
		dep, err := d.Patch(ctx, app)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, dep)
	}
	<-g.waiting
	close(g.open)
	for _, dep := range both {
		mustWait(ctx, t, d, dep, deploy.Live)
	}
	if most.Load() != 1 {
		t.Errorf("%d patches at once", most.Load())
	}
}

func TestOneLookIsAtAllLiveReleases(t *testing.T) {
	w := deploytest.New(t)
	var looks atomic.Int32
	w.Pending = func(string) deploy.Pending {
		looks.Add(1)
		return deploy.Pending{}
	}
	w.Store.PutApp(deploy.App{Name: "blog"})
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	push := w.Commit("two", deploy.Options{})
	push.App = "blog"
	dep, err := d.Receive(ctx, push)
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	d.Fail("Pending", deploytest.FailBefore) // the first look fails: nothing is known, so it is tried
	for _, app := range []deploy.AppName{"shop", "blog", "shop", "blog"} {
		if dep, err := d.PatchDue(ctx, app); err == nil {
			if _, err := d.Wait(ctx, dep.ID, 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	if looks.Load() != 2 {
		t.Errorf("%d images were looked at, want each once", looks.Load())
	}
}
