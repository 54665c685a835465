package commands

import (
	"slices"
	"testing"

	"teal/deploy"
)

func TestDomainsChangeAtOnce(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "domains", "add", "shop", "Shop.Example.ORG.").want(t, ExitDone, "Production serves shop at shop.example.org now.")
	w.run("anna", "domains", "remove", "shop", "www.shop.test").want(t, ExitDone, "shop is not served at www.shop.test any more.")
	if got := w.apps["shop"].Domains; !slices.Equal(got, []string{"shop.example.org"}) {
		t.Errorf("domains are %q", got)
	}
	w.asked("reroute shop", "reroute shop")
	w.run("anna", "domains", "add", "shop", "shop.example.org").want(t, ExitBusy, "shop has shop.example.org already")
	w.run("anna", "domains", "add", "blog", "shop.example.org").want(t, ExitBusy, "shop.example.org is taken by another app")
	w.run("anna", "domains", "add", "shop", "https://x.test/").want(t, ExitUsage, "a domain is a host name alone")
	w.run("anna", "domains", "remove", "shop", "no.test").want(t, ExitNotFound, "shop has no domain no.test")
	w.run("anna", "domains", "add", "shop").want(t, ExitUsage, "domains add shop needs more words")
	w.broken["reroute"] = deploy.ErrStopping
	w.run("anna", "domains", "add", "shop", "z.test").want(t, ExitBusy, "the change is stored, but the router does not have it yet")
}

func TestBranch(t *testing.T) {
	w := newWorld(t)
	w.run("vera", "branch", "shop").want(t, ExitDone, "main or master")
	w.run("anna", "branch", "shop", "refs/heads/release/2.0").want(t, ExitDone, "Pushes to release/2.0 deploy shop from now on.")
	w.run("vera", "branch", "shop").want(t, ExitDone, "release/2.0")
	for _, bad := range []string{"a..b", "a b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a~1", "@{u}", "HEAD", "a.", "\x1b"} {
		w.run("anna", "branch", "shop", bad).want(t, ExitUsage, "is not a name for a branch")
	}
	w.run("anna", "branch", "shop", "-").want(t, ExitDone)
	if got := w.apps["shop"].Branch; got != "" {
		t.Errorf("branch is %q", got)
	}
}

func TestSchedule(t *testing.T) {
	w := newWorld(t)
	w.run("vera", "schedule", "shop").want(t, ExitDone, "shop is patched at 30 3 * * * (the server's default). Next: Tue 2026-05-05 03:00 UTC (in 15 h).")
	w.run("anna", "schedule", "shop", "30", "4", "*", "*", "1").want(t, ExitDone, "patched at 30 4 * * 1 (its own schedule)")
	w.run("anna", "schedule", "shop", "CRON_TZ=Europe/Paris 0  3 * * *").want(t, ExitDone)
	if got := w.apps["shop"].PatchSchedule; got != "CRON_TZ=Europe/Paris 0 3 * * *" {
		t.Errorf("schedule is %q", got)
	}
	w.run("anna", "schedule", "shop", "off").want(t, ExitDone, "shop is not patched by itself")
	w.run("anna", "schedule", "shop", "default").want(t, ExitDone, "the server's default")
	w.run("anna", "schedule", "shop", "at", "noon").want(t, ExitUsage, `"at noon" is no schedule`)
	_ = w.edit("shop", func(a *deploy.App) { a.PatchPinned = true })
	w.run("anna", "schedule", "shop").want(t, ExitDone, "It pauses until the next push")
	w.set.DefaultSchedule = ""
	w.run("anna", "schedule", "blog").want(t, ExitDone, "blog is not patched by itself")
}

func TestAccess(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "access", "grant", "shop", "nick", "deployer").want(t, ExitDone, "nick is deployer of shop now.")
	w.begin(deploy.Deployment{Cause: deploy.CauseRollback}, live(13))
	w.run("nick", "rollback", "shop").want(t, ExitDone)
	w.run("anna", "access", "revoke", "shop", "nick").want(t, ExitDone)
	w.run("nick", "rollback", "shop").want(t, ExitNotFound)
	w.run("anna", "access", "revoke", "shop", "nick").want(t, ExitNotFound, "nick has no right on shop")
	w.run("anna", "access", "grant", "shop", "nick", "king").want(t, ExitUsage, `"king" is not a right`)
	w.run("anna", "access", "grant", "shop", "zoe", "viewer").want(t, ExitNotFound, "there is no user zoe", "users add zoe")
	w.run("anna", "access", "grant", "shop", "Z", "viewer").want(t, ExitUsage, "is not a user name")
}
