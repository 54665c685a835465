package deploy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestConfigMakesAReleaseOfTheSameImageWithoutABuild(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	if _, err := d.Reconfigure(ctx, "shop", "anna"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("config of an app without release: %v", err)
	}
	mustPush(ctx, t, d, "one", deploy.Live)
	app, _ := w.Store.App(ctx, "shop")
	app.Env = map[string]string{"COLOR": "red"}
	w.Store.PutApp(app)
	d.Fail("Build", deploytest.FailBefore)
	dep, err := d.Reconfigure(ctx, "shop", "anna")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v2")
	one, _ := w.Store.Release(ctx, "shop", 1)
	two, _ := w.Store.Release(ctx, "shop", 2)
	if two.Image != one.Image || two.Env["COLOR"] != "red" || one.Env["COLOR"] != "" {
		t.Errorf("releases: %+v %+v", one, two)
	}
}

func TestPatchDeploysOnlyWhatDiffers(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	patch := func(want deploy.State) deploy.Deployment {
		t.Helper()
		dep, err := d.Patch(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		return mustWait(ctx, t, d, dep, want)
	}
	if dep := patch(deploy.Canceled); !strings.Contains(dep.Note, "no updates") {
		t.Errorf("note %q", dep.Note)
	}
	if got := w.Runtime.All(); !slices.Equal(got, []string{"blue v1.1"}) {
		t.Errorf("a patch with no updates restarted something: %v", got)
	}
	w.RefreshBases()
	if dep := patch(deploy.Live); dep.By != "" || dep.Cause != deploy.CausePatch {
		t.Errorf("patch: %+v", dep)
	}
	wantAnswer(t, d, "v2")
	dep, err := d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	if _, err := d.Patch(ctx, "shop"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("patch of a rolled back app: %v", err)
	}
	mustPush(ctx, t, d, "two", deploy.Live)
	patch(deploy.Canceled)
}

func TestAPushBeatsAPatchRun(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	g := holdBuilds(w)
	patch, err := d.Patch(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	if _, err := d.Patch(ctx, "shop"); !errors.Is(err, deploy.ErrBusy) {
		t.Errorf("second patch: %v", err)
	}
	push, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	close(g.open)
	mustWait(ctx, t, d, patch, deploy.Superseded)
	mustWait(ctx, t, d, push, deploy.Live)
}

func TestARedeployThatWaitedDeploysWhatIsLiveThen(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	var again deploy.Deployment
	var err error
	d.Before("Activate", func() { again, err = d.Redeploy(ctx, "shop", deploy.Options{}, "ben") })
	mustBeCommitted(ctx, t, d, "two")
	if err != nil {
		t.Fatal(err)
	}
	again = mustWait(ctx, t, d, again, deploy.Live)
	if got := again.Push.Commit.Subject; got != "two" || again.Target != 2 {
		t.Errorf("redeployed %q of v%d", got, again.Target)
	}
	r, _ := w.Store.Release(ctx, "shop", again.Release)
	if r.Commit.Subject != "two" {
		t.Errorf("the release is of %q", r.Commit.Subject)
	}
}

func TestAConfigThatWaitedNamesTheCommitItDeploys(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	g := holdBuilds(w)
	if _, err := d.Push(ctx, "two", deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	dep, err := d.Reconfigure(ctx, "shop", "anna")
	if err != nil {
		t.Fatal(err)
	}
	close(g.open)
	dep = mustWait(ctx, t, d, dep, deploy.Live)
	if got := dep.Push.Commit.Subject; got != "two" || dep.Target != 2 {
		t.Errorf("the record says %q of v%d", got, dep.Target)
	}
}
