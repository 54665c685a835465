package console

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"teal/deploy"
)

func TestRestartPreviousDoesWhatTheConfirmationNamed(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	anna.get("/apps/shop/restart").is(t, http.StatusOK, "v13", "3f2a1bc", "Fix cart total", "v14", "9a8b7c6", "still running", `name="live" value="14"`, `name="release" value="13"`)
	a := anna.post("/apps/shop/restart", "release", "13", "live", "14", "previous", "yes")
	a.is(t, http.StatusSeeOther)
	if where := a.header.Get("Location"); where != "/apps/shop/deployments/43" {
		t.Errorf("led to %s", where)
	}
	if want := []string{"rollback shop to 13 by anna"}; !slices.Equal(f.asked(), want) {
		t.Errorf("the engine was asked %q, want %q", f.asked(), want)
	}
}

func TestWhatChangedMeanwhileIsNotDone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*deploy.App)
		path   string
		form   []string
		says   string
	}{
		"another release serves": {
			func(a *deploy.App) { a.Live, a.Previous = 15, 14 },
			"/restart",
			[]string{"release", "13", "live", "14", "previous", "yes"},
			"By now v15 serves",
		},
		"another release is the previous one": {
			func(a *deploy.App) { a.Previous = 12 },
			"/restart",
			[]string{"release", "13", "live", "14", "previous", "yes"},
			"By now the previous release is v12",
		},
		"it was restarted already": {
			func(a *deploy.App) { a.Live, a.Previous = 13, 14 },
			"/restart",
			[]string{"release", "13", "live", "14", "previous", "yes"},
			"By now v13 serves",
		},
		"nothing is staged any more": {
			func(a *deploy.App) { a.Staged = 0 }, "/promote", []string{"staged", "15"}, "v15, which does not wait for it any more",
		},
		"another one is staged": {
			func(a *deploy.App) { a.Staged = 16 }, "/promote", []string{"staged", "15"}, "v15, which does not wait for it any more",
		},
		"the deployment is over":          {func(*deploy.App) {}, "/cancel", []string{"deployment", "41"}, "not under way any more"},
		"redeploy of what does not serve": {func(a *deploy.App) { a.Live = 15 }, "/redeploy", []string{"live", "14"}, "By now v15 serves"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.setApp("shop", c.change)
			a := as(t, f, serve(t, f), "anna").post("/apps/shop"+c.path, c.form...)
			a.is(t, http.StatusConflict, "It changed meanwhile", c.says, "Nothing was done")
			if asked := f.asked(); len(asked) > 0 {
				t.Errorf("the engine was asked %q", asked)
			}
		})
	}
}

func TestAFormThatNamesNothingDoesNothing(t *testing.T) {
	f := newFake()
	anna := as(t, f, serve(t, f), "anna")
	for _, path := range []string{"restart", "promote", "cancel", "redeploy"} {
		anna.post("/apps/shop/"+path).is(t, http.StatusBadRequest, "Nothing was done")
	}
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
}

func TestButtonsReachTheEngine(t *testing.T) {
	f := newFake()
	f.setApp("shop", func(a *deploy.App) { a.Staged = 15 })
	f.addDeployment(deploy.Deployment{ID: 43, App: "shop", Cause: deploy.CausePush, State: deploy.Staged, Release: 15, Color: deploy.Blue, By: "anna", CreatedAt: now()}, "abcdef0", "New")
	anna := as(t, f, serve(t, f), "anna")
	anna.get("/apps/shop").is(t, http.StatusOK, "Promote v15", "staged on the preview", "Cancel deployment 43")
	anna.post("/apps/shop/promote", "staged", "15").is(t, http.StatusSeeOther)
	f.mu.Lock()
	delete(f.deployments, 44) // what the fake made of "promote"
	f.mu.Unlock()
	anna.post("/apps/shop/cancel", "deployment", "43").is(t, http.StatusSeeOther)
	anna.post("/apps/shop/redeploy", "live", "14").is(t, http.StatusSeeOther)
	anna.post("/apps/shop/patch").is(t, http.StatusSeeOther)
	if want := []string{"promote shop by anna", "cancel 43 of shop by anna", "redeploy shop by anna", "patch shop"}; !slices.Equal(f.asked(), want) {
		t.Errorf("the engine was asked %q, want %q", f.asked(), want)
	}
}

func TestWhatTheEngineRefusesIsSaid(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{fmt.Errorf("%w: deployment 7 is under way", deploy.ErrBusy), http.StatusConflict, "Busy: deployment 7 is under way."},
		{deploy.ErrStopping, http.StatusServiceUnavailable, "Teal is stopping"},
		{fmt.Errorf("list: %w", deploy.ErrEngineAway), http.StatusServiceUnavailable, "container engine does not answer"},
	} {
		f := newFake()
		f.refuse = c.err
		as(t, f, serve(t, f), "anna").post("/apps/shop/patch").is(t, c.status, c.says)
	}
}

func TestAReleaseThatCannotComeBackIsExplainedBeforeTheQuestion(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	gone := f.releases["shop/12"]
	gone.Gone = true
	f.releases["shop/12"] = gone
	anna.get("/apps/shop/restart?release=12").is(t, http.StatusConflict, "The image of v12 was removed", "77c01de")
	anna.get("/apps/shop/restart?release=14").is(t, http.StatusConflict, "v14 is what serves now")
	anna.get("/apps/shop/restart?release=99").is(t, http.StatusConflict, "no release v99")
	anna.post("/apps/shop/restart", "release", "12", "live", "14").is(t, http.StatusConflict, "was removed")
	f.setApp("shop", func(a *deploy.App) { a.Previous = 0 })
	anna.get("/apps/shop/restart").is(t, http.StatusConflict, "No release was replaced")
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
}

func TestTheConfirmationTellsWhatElseHappens(t *testing.T) {
	f := newFake()
	f.instances[2].Running = false // v13 sleeps
	f.addDeployment(deploy.Deployment{ID: 43, App: "shop", Cause: deploy.CausePush, State: deploy.Building, Color: deploy.Blue, By: "ben", CreatedAt: now()}, "abcdef0", "New")
	as(t, f, serve(t, f), "anna").get("/apps/shop/restart").is(t, http.StatusOK, "It sleeps", "a few seconds", "Deployment 43 is canceled", "by ben")
}
