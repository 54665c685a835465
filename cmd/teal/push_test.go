package main

import (
	"strings"
	"testing"
)

// TestPushContract holds what docs promise to someone who types git push: one
// claim per case, with stock git and OpenSSH, each with an app of its own.
func TestPushContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		claim string
		test  func(t *testing.T, w *world)
	}{
		{"FirstPushCreatesTheAppAndGoesLive", firstPushCreatesTheApp},
		{"FailedDeployRejectsThePushAndLeavesProductionAlone", failedDeployRejectsThePush},
		{"FirstPushThatFailsSaysThatNothingServes", firstPushThatFails},
		{"WhatDoesNotDeployIsRefusedInOneLine", refusedInOneLine},
		{"UserWhoMayNotIsRefused", userWhoMayNot},
		{"NewerPushSupersedesAndSaysByWhom", newerPushSupersedes},
		{"CtrlCLeavesTheDeploymentGoing", ctrlC},
		{"CancelOnDisconnectStopsTheBuild", cancelOnDisconnect},
		{"DetachReturnsWhenQueued", detach},
		{"NoPromoteStopsOnThePreview", noPromote},
		{"NoCacheBuildsFromScratch", noCache},
		{"SameCommitIsUpToDateAndRedeployDeploysIt", sameCommit},
	} {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			c.test(t, w)
		})
	}
}

func firstPushCreatesTheApp(t *testing.T, w *world) {
	a := w.app(t, "anna", "first")
	one := a.commit(vict{version: "one"})
	a.push().exits(0).says("remote: ==> Building "+one[:7], "==> Starting v1 on blue", "==> v1 is live on blue",
		"http://first.localhost:"+portOf(w.http), "[new branch]      main -> main")
	a.serves("one")
	a.refIs(one)

	two := a.commit(vict{version: "two"})
	a.push().exits(0).says("==> v2 is live on green (replaces v1 on blue)", "first v2 is live on green, replacing v1",
		"build ", "switch ", one[:7]+".."+two[:7]+"  main -> main")
	a.serves("two")
	a.refIs(two)
	s := a.standing()
	if s.Active != "green" || s.Live != 2 || s.Previous != 1 {
		t.Errorf("after the second push the app stands at %+v", s)
	}
	if d := a.last(); d.State != "live" || d.By != "anna" || d.Cause != "push" || d.Commit != two {
		t.Errorf("the deployment is %+v", d)
	}
}

// refusal is a commit that must not go live, and what its pusher must read.
type refusal struct {
	phase  string
	class  string // for programs
	broken vict
	reason string   // in git's own line
	words  []string // elsewhere on the screen
}

var refusals = []refusal{
	{
		"build",
		"build-step",
		vict{run: []string{"-fail", "-exit", "7"}},
		"deploy failed: build failed: 'RUN /vict -fail -exit 7' ended with exit code 7",
		[]string{"vict fails with 7"},
	},
	{
		"release command",
		"release-command",
		vict{release: []string{"-fail", "-exit", "9"}},
		"deploy failed: release command failed: exit code 9",
		[]string{"vict fails with 9", "half migrated"},
	},
	{
		"release timeout",
		"release-timeout",
		vict{release: []string{"-sleep", "1m"}, limit: "3s"},
		"deploy failed: release command failed: not done after 3s",
		[]string{"half migrated"},
	},
	{
		"start",
		"exited",
		vict{flags: []string{"-fail", "-exit", "5"}},
		"deploy failed: start failed: the app ended with exit code 5 after",
		[]string{"last lines of the app:", "vict fails with 5", "keep running and listen on 0.0.0.0:$PORT (8080)"},
	},
	{
		"memory",
		"oom",
		vict{flags: []string{"-hog", "200"}, toml: "[limits]\nmemory = \"32MiB\""},
		"deploy failed: start failed: the app was killed after",
		[]string{"it used more than its 32 MiB of memory", "raise [limits] memory in teal.toml"},
	},
	{
		"probe",
		"probe-status",
		vict{flags: []string{"-status", "500"}, start: "5s"},
		"deploy failed: probe answered 500",
		[]string{"last lines of the app:", "vict probe listens on :8080", `its answer begins "vict probe says 500"`},
	},
	{
		"port",
		"wrong-port",
		vict{flags: []string{"-port", "9999"}, start: "5s"},
		"deploy failed: probe failed: nothing answered on :8080 within 5s",
		[]string{"vict port listens on :9999", "it listens on", ":9999"},
	},
}

func failedDeployRejectsThePush(t *testing.T, w *world) {
	a := w.app(t, "anna", "refused")
	good := a.deploys(vict{version: "good"})
	for _, c := range refusals {
		c.broken.version = c.phase
		a.commit(c.broken)
		a.push().exits(1).says(append(c.words,
			"! [remote rejected] main -> main ("+c.reason, "blue v1 still serves refused.", "Next: ")...)
		a.refIs(good)
		a.serves("good")
		if d := a.last(); d.State != "failed" || d.Failure == nil || d.Failure.Class != c.class {
			t.Errorf("%s: the deployment is %+v", c.phase, d)
		}
		if got := strings.Join(a.containers(), ", "); got != "blue v1 running" {
			t.Errorf("%s: the containers are %s", c.phase, got)
		}
	}
	a.commit(vict{version: "better"})
	a.push().exits(0)
	a.serves("better")
}

func firstPushThatFails(t *testing.T, w *world) {
	a := w.app(t, "anna", "stillborn")
	a.commit(vict{version: "x", flags: []string{"-fail", "-exit", "1"}})
	a.push().exits(1).says("[remote rejected]", "Nothing serves stillborn yet.")
	a.refIs("")
	if status, body, err := a.ask("/version"); err != nil || status/100 == 2 {
		t.Errorf("an app that was never live answered %d %q, %v", status, body, err)
	}
	a.commit(vict{version: "alive"})
	a.push().exits(0)
	a.serves("alive")
}

func refusedInOneLine(t *testing.T, w *world) {
	a := w.app(t, "anna", "strict")
	good := a.deploys(vict{version: "good"})
	a.git("branch", "feature").exits(0)
	a.git("tag", "v1.0").exits(0)
	a.commit(vict{version: "new"})
	a.git("branch", "other").exits(0)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"other"}, "strict deploys from main: git push teal other:main"},
		{[]string{"v1.0"}, "a tag does not deploy; push what it names: git push teal 'v1.0^{}:main'"},
		{[]string{"--delete", "main"}, "a branch can't be deleted here"},
		{[]string{"main", "other"}, "push one branch at a time: git push teal main"},
		{[]string{"-o", "no-promot", "main"}, `unknown push option "no-promot"`},
	} {
		args := append([]string{"push", "teal"}, c.args...)
		a.git(args...).exits(1).says("[remote rejected]", c.want)
		a.refIs(good)
	}
	if n := len(a.deployments()); n != 1 {
		t.Errorf("there are %d deployments, want 1", n)
	}
	a.serves("good")
	a.git("push", "teal", "other:main").exits(0).says("is live on green")
	a.serves("new")
}

func userWhoMayNot(t *testing.T, w *world) {
	a := w.app(t, "bert", "forbidden")
	a.commit(vict{version: "x"})
	if r := a.push().says("there is no app forbidden that bert may push to"); r.code == 0 {
		t.Error("git push ended with 0")
	}
	w.command(t, "root", "ps", "forbidden").exits(3)

	other := w.app(t, "anna", "annas")
	good := other.deploys(vict{version: "good"})
	foreign := other.by("bert")
	foreign.commit(vict{version: "bad"})
	if r := foreign.push().hides("is live"); r.code == 0 {
		t.Error("git push ended with 0")
	}
	other.refIs(good)
	other.serves("good")
	w.command(t, "bert", "logs", "annas").exits(3)
	w.command(t, "anna", "access", "grant", "annas", "bert", "viewer").exits(0)
	if r := foreign.push().says("may not push"); r.code == 0 {
		t.Error("git push of a viewer ended with 0")
	}
	w.command(t, "bert", "destroy", "annas", "annas").exits(4).says("not allowed")
}

func newerPushSupersedes(t *testing.T, w *world) {
	a := w.app(t, "anna", "race")
	a.deploys(vict{version: "one"})
	w.command(t, "anna", "access", "grant", "race", "bert", "deployer").exits(0)
	b := a.by("bert")
	flags, mark := sleeping("10m")
	a.commit(vict{version: "two", run: flags})
	slow := a.startPush()
	slow.sees("==> Building")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the build step runs") })

	three := b.commit(vict{version: "three"})
	b.push().exits(0).says("is live on green")
	slow.end().exits(1).says("[remote rejected]", "superseded by bert's push of "+three[:7])
	a.serves("three")
	a.refIs(three)
	eventually(t, func() string { return missing(processes(t, mark) == 0, "the superseded build stopped") })
	if all := a.deployments(); all[1].State != "superseded" || all[0].State != "live" {
		t.Errorf("the deployments are %+v", all)
	}
}

func missing(ok bool, what string) string {
	if ok {
		return ""
	}
	return "still waiting until " + what
}

func sameCommit(t *testing.T, w *world) {
	a := w.app(t, "anna", "again")
	id := a.deploys(vict{version: "one"})
	a.push().exits(0).says("Everything up-to-date")
	if n := len(a.deployments()); n != 1 {
		t.Errorf("pushing what is there made %d deployments", n)
	}
	w.command(t, "anna", "redeploy", "again").exits(0).says("==> Building "+id[:7], "v2 of again is live on green")
	a.serves("one")
	a.refIs(id)
	if d := a.last(); d.Cause != "redeploy" || d.By != "anna" || d.Replaces != 1 {
		t.Errorf("the redeployment is %+v", d)
	}
}
