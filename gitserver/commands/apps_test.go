package commands

import (
	"testing"

	"teal/deploy"
)

func TestCreateMakesTheCallerAdminAndSaysHowToPush(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "create", "cart").want(t, ExitDone, "Created cart.", "https://cart.example.com",
		"git remote add teal ssh://git@teal.example.com:2222/cart")
	if r, _ := w.RightOf(t.Context(), "anna", "cart"); r != deploy.Admin || w.apps["cart"].CreatedBy != "anna" {
		t.Errorf("anna is %q of %+v", r, w.apps["cart"])
	}
	w.run("anna", "create", "shop").want(t, ExitBusy, "the name shop is taken")
	w.run("anna", "create", "Shop").want(t, ExitUsage, `"Shop" is not a name for an app`, "next: ssh -p 2222 teal.example.com create APP")
	w.run("anna", "create").want(t, ExitUsage, "create needs the name of an app")
	w.run("anna", "create", "a1", "a2").want(t, ExitUsage, `create has no use for "a2"`)
}

func TestDestroyWantsTheNameTwice(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "destroy", "shop").want(t, ExitUsage, "Type its name to go on", "v14 on green serves", "shop was left as it is")
	w.run("anna", "destroy", "shop", "blog").want(t, ExitUsage, "shop was left as it is", "destroy shop shop")
	w.typed("anna", "blog\n", "destroy", "shop").want(t, ExitUsage, "shop was left as it is")
	w.asked()
	w.typed("anna", "shop\r\n", "destroy", "shop").want(t, ExitDone, "Destroyed shop.")
	w.run("anna", "destroy", "shop", "shop").want(t, ExitDone)
	w.asked("destroy shop by anna", "destroy shop by anna")
}

func TestUnknownCommandSuggestsWhatWasMeant(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "rolback", "shop").want(t, ExitUsage, `there is no command "rolback"; did you mean rollback?`, "help rollback")
	w.run("anna", "config", "sett", "shop").want(t, ExitUsage, "did you mean config set?")
	w.run("anna", "config", "shop").want(t, ExitUsage, `there is no command "config shop"`, "help config")
	w.run("anna", "fly").want(t, ExitUsage, `there is no command "fly"`, "next: ssh -p 2222 teal.example.com help")
	w.run("anna", "help", "fly").want(t, ExitUsage, `there is no command "fly"`)
	w.run("anna", "ps", "--jsno").want(t, ExitUsage, "did you mean --json?", "next: ssh -p 2222 teal.example.com ps [APP]")
	w.run("anna", "sh\x1b[2J").want(t, ExitUsage)
}

func TestPsShowsWhatTheIdleColorHolds(t *testing.T) {
	w := newWorld(t)
	for _, d := range []struct {
		state deploy.State
		app   func(*deploy.App)
		want  string
	}{
		{deploy.Building, func(*deploy.App) {}, "deploying  –        building"},
		{deploy.Staged, func(a *deploy.App) { a.Staged = 15 }, "staged     v15      staged"},
		{deploy.Queued, func(*deploy.App) {}, "kept    v13      asleep"},
	} {
		w := newWorld(t)
		release := 0
		if d.state == deploy.Staged {
			release = 15
		}
		w.history = append(w.history, deploy.Deployment{ID: 18, App: "shop", State: d.state, Color: deploy.Blue, Release: release, CreatedAt: noon})
		_ = w.edit("shop", d.app)
		r := w.run("anna", "ps", "shop")
		r.want(t, ExitDone, "serves")
		if d.state != deploy.Staged {
			r.want(t, ExitDone, d.want)
		} else {
			r.want(t, ExitDone, "staged  v15      staged")
		}
	}
	w.broken["Instances"] = deploy.ErrEngineAway
	w.run("anna", "ps").want(t, ExitTeal, "v14", "the container engine does not answer", "what ran keeps being served")
	w.run("anna", "ps", "--json").want(t, ExitTeal, `"engine_away": true`)
}
