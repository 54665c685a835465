package commands

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"teal/deploy"
)

func live(release int) func(*deploy.Deployment) {
	return func(d *deploy.Deployment) {
		d.State, d.Color, d.Release = deploy.Live, deploy.Blue, release
		d.Receipt = &deploy.Receipt{Switch: 1.8, Requests: 12345, P99Old: 9, P99New: 8}
	}
}

func failed(d *deploy.Deployment) {
	d.State = deploy.Failed
	d.Failure = &deploy.Failure{Step: deploy.StepProbe, Reason: "probe answered 500"}
}

func TestRollbackStreamsTheLogAndTellsTheOutcome(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseRollback, Target: 13}, live(13))
	w.say(18, "blue v13 still runs", "probe answered 200\x1b[0m")
	w.run("dora", "restart-previous", "shop").want(t, ExitDone,
		"blue v13 still runs\nprobe answered 200\n", "v13 of shop is live on blue: https://shop.example.com",
		"switched in 1.8 ms: 12,345 requests meanwhile, 0 failed; p99 9.0 ms before, 8.0 ms after")
	w.run("dora", "rollback", "shop", "v12").want(t, ExitDone)
	w.run("dora", "rollback", "shop", "12").want(t, ExitDone)
	w.run("dora", "rollback", "shop", "twelve").want(t, ExitUsage, "a release is written v12")
	w.asked("rollback shop 0 by dora", "rollback shop 12 by dora", "rollback shop 12 by dora")
}

func TestFailedDeploymentSaysWhatStillServes(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseRollback, Target: 12}, failed)
	w.run("anna", "rollback", "shop", "v12").want(t, ExitFailed,
		"teal: rollback to v12 failed: probe answered 500 (green v14 still serves)", "next: ssh -p 2222 teal.example.com logs shop --deployment 18")
	w.waited.Failure.Hint = "listen on 0.0.0.0:8080"
	w.run("anna", "rollback", "shop", "v12").want(t, ExitFailed, "next: listen on 0.0.0.0:8080")
}

func TestOtherOutcomesHaveTheirWords(t *testing.T) {
	for _, c := range []struct {
		state deploy.State
		note  string
		exit  int
		want  string
	}{
		{deploy.Staged, "", ExitDone, "v15 of shop waits on the preview: https://shop.example.com:8888"},
		{deploy.Superseded, "superseded by dora's push of 3333333", ExitFailed, "did not go live: superseded by dora's push of 3333333 (green v14 still serves)"},
		{deploy.Canceled, "canceled by dora", ExitFailed, "did not go live: canceled by dora"},
		{deploy.Draining, "", ExitDone, "v15 of shop is live on blue"},
		{deploy.Asleep, "", ExitDone, "was replaced since"},
		{deploy.Probing, "", ExitBusy, "is still probing"},
	} {
		w := newWorld(t)
		w.begin(deploy.Deployment{Cause: deploy.CauseRedeploy}, func(d *deploy.Deployment) {
			d.State, d.Note, d.Color, d.Release = c.state, c.note, deploy.Blue, 15
		})
		w.run("anna", "redeploy", "shop").want(t, c.exit, c.want)
	}
}

func TestRedeployPassesItsOptionsOn(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseRedeploy}, live(15))
	w.run("dora", "redeploy", "shop", "--no-cache").want(t, ExitDone)
	w.run("dora", "redeploy", "--detach", "shop").want(t, ExitDone, "Deployment 18 of shop is queued.", "logs -f shop")
	w.asked("redeploy shop cache=false by dora", "redeploy shop cache=true by dora")
}

func TestPatchThatFindsNothingHasDoneItsWork(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePatch}, func(d *deploy.Deployment) {
		d.State, d.Note = deploy.Canceled, "no updates: the rebuilt image is the one that runs"
	})
	w.run("dora", "patch", "shop").want(t, ExitDone, "shop is up to date: no updates")
	w.waited.Note = "canceled by anna"
	w.run("dora", "patch", "shop").want(t, ExitFailed, "canceled by anna")
	w.broken["patch"] = fmt.Errorf("%w: a deployment of shop is under way", deploy.ErrBusy)
	w.run("dora", "patch", "shop").want(t, ExitBusy, "a deployment of shop is under way", "logs -f shop")
}

func TestPromoteShowsOnlyWhatIsNew(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	// The push left it staged with a log of its own; promoting writes more.
	w.history[len(w.history)-1].State = deploy.Staged
	w.say(18, "building", "staged")
	w.set.watch = func(deploy.DeploymentID) *feed {
		w.set.watch = func(deploy.DeploymentID) *feed { return nil }
		w.say(18, "switching")
		return nil
	}
	r := w.run("dora", "promote", "shop")
	r.want(t, ExitDone, "switching\n", "v15 of shop is live")
	if strings.Contains(r.out, "building") {
		t.Errorf("the log of the push is there again:\n%s", r.out)
	}
	w.broken["promote"] = deploy.ErrNothing
	w.run("dora", "promote", "shop").want(t, ExitFailed, "nothing of shop waits on the preview", "git push -o no-promote")
}

func TestCancelSaysWhatServes(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, func(d *deploy.Deployment) { d.State = deploy.Canceled })
	w.run("dora", "cancel", "shop").want(t, ExitDone, "Deployment 18 of shop is canceled; green v14 still serves.")
	w.waited.State, w.waited.Release = deploy.Draining, 15
	w.run("dora", "cancel", "shop").want(t, ExitFailed, "too late: v15 of shop is live already", "restart-previous shop")
	w.broken["cancel"] = fmt.Errorf("%w: nothing is under way for shop", deploy.ErrNothing)
	w.run("dora", "cancel", "shop").want(t, ExitFailed, "nothing is under way for shop")
}

func TestErrorsOfTheCoreHaveTheirCodes(t *testing.T) {
	for err, want := range map[error]int{
		deploy.ErrNothing: ExitFailed, deploy.ErrBadName: ExitUsage, deploy.ErrNotFound: ExitNotFound,
		deploy.ErrDenied: ExitDenied, deploy.ErrBusy: ExitBusy, deploy.ErrConflict: ExitBusy, deploy.ErrExists: ExitBusy,
		deploy.ErrStopping: ExitBusy, deploy.ErrEngineAway: ExitTeal, context.DeadlineExceeded: ExitTeal,
		context.Canceled: ExitBusy, fmt.Errorf("disk full"): ExitTeal,
	} {
		w := newWorld(t)
		w.broken["redeploy"] = fmt.Errorf("cannot: %w", err)
		w.run("dora", "redeploy", "shop").want(t, want)
	}
}

func TestPanicEndsTheCommandAlone(t *testing.T) {
	w := newWorld(t)
	w.set.Instances = func(context.Context) ([]deploy.Instance, error) { panic("boom") }
	r := w.run("anna", "ps", "shop")
	r.want(t, ExitTeal, "this command ran into a bug in Teal")
	if strings.Contains(r.err, "boom") {
		t.Error("the user reads what is for the log")
	}
}

func TestLeavingStopsTheWatchingOnly(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseRedeploy}, live(15))
	w.settled = make(chan struct{})
	lines := make(chan deploy.LogLine)
	closed := make(chan struct{})
	w.set.watch = func(deploy.DeploymentID) *feed { return &feed{lines: lines, close: func() { close(closed) }} }
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		lines <- deploy.LogLine{N: 1, Text: "building"} // when it is watched
		leave()
	}()
	w.within(ctx, "dora", "", "redeploy", "shop").want(t, ExitBusy,
		"building", "stopped watching; deployment 18 goes on", "next: ssh -p 2222 teal.example.com logs -f shop")
	<-closed
	w.asked("redeploy shop cache=true by dora")
}

func TestRollbackAcrossAMigrationSaysHowToMeanIt(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseRollback, Target: 12, Note: "across a migration: v14 has the mark"}, live(12))
	w.broken["rollback"] = fmt.Errorf("%w: v14 has the migration mark", deploy.ErrAcross)
	w.run("dora", "rollback", "shop", "v12").want(t, ExitFailed, "a migration lies between: v14 has the migration mark",
		"next: ssh -p 2222 teal.example.com rollback shop v12 --across-migration")
	w.run("dora", "rollback", "shop").want(t, ExitFailed, "rollback shop --across-migration")
	w.run("dora", "rollback", "shop", "v12", "--across-migration").want(t, ExitDone, "v12 of shop is live", "Note: across a migration")
}
