package deploy_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// stored waits until the deployment's record satisfies ok.
func stored(t *testing.T, w *deploytest.World, id deploy.DeploymentID, ok func(deploy.Deployment) bool) deploy.Deployment {
	t.Helper()
	var d deploy.Deployment
	eventually(t, func() bool {
		var err error
		d, err = w.Store.Deployment(context.Background(), id)
		return err == nil && ok(d)
	}, "deployment %d never got there\n%v", id, w.Store)
	return d
}

func ended(d deploy.Deployment) bool { return d.State.Ended() }

func TestAFullDiskDelaysTheRecordButDoesNotFalsifyIt(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error {
		d.DiskFull()
		return nil
	}
	told := mustPush(ctx, t, d, "fails to build", deploy.Failed)
	if told.Failure.Step != deploy.StepBuild {
		t.Fatalf("the pusher was told %v", told.Failure)
	}
	if again, err := d.Wait(ctx, told.ID, 0); err != nil || again.State != deploy.Failed {
		t.Errorf("asked again while the disk is full: %s, %v", again.State, err)
	}
	wantAnswer(t, d, "v1")
	d.Heal()
	got := stored(t, w, told.ID, ended)
	if got.Failure == nil || got.Failure.Step != deploy.StepBuild || got.Failure.Reason != told.Failure.Reason {
		t.Errorf("told %v, recorded %v", told.Failure, got.Failure)
	}
	if alerts := w.Store.Alerts(); len(alerts) != 1 || alerts[0].Failure.Step != deploy.StepBuild {
		t.Errorf("alerts: %+v", alerts)
	}
}

func TestAQueuedPushThatGaveWayDuringAnOutageIsRecordedAsSuperseded(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	one, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	d.Fail("Update superseded", deploytest.FailBefore)
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, one, deploy.Superseded)
	close(g.open)
	mustWait(ctx, t, d, two, deploy.Live)
	if got := stored(t, w, one.ID, ended); got.State != deploy.Superseded {
		t.Errorf("recorded as %s (%v)", got.State, got.Failure)
	}
}

func TestALogThatCannotBeStoredForAWhileIsStoredLater(t *testing.T) {
	w := deploytest.New(t)
	written := make(chan struct{})
	goOn := make(chan struct{})
	w.Building = func(_ context.Context, _ deploy.BuildRequest, log io.Writer) error {
		_, _ = io.WriteString(log, "first\n")
		close(written)
		<-goOn
		_, _ = io.WriteString(log, "second\n")
		return nil
	}
	d, ctx := w.Open(), within(t)
	<-d.Ready()
	d.FailUntilHealed("AppendLog", deploytest.FailBefore)
	dep, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-written
	eventually(t, func() bool { return d.Hit("AppendLog") }, "the log was never stored")
	d.Heal()
	close(goOn)
	mustWait(ctx, t, d, dep, deploy.Live)
	log := strings.Join(w.Store.Log(dep.ID), "\n")
	if !strings.Contains(log, "first") || !strings.Contains(log, "second") {
		t.Errorf("log:\n%s", log)
	}
}

func TestALogThatCannotBeStoredDoesNotKeepTealFromStopping(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	<-d.Ready()
	d.FailUntilHealed("AppendLog", deploytest.FailBefore)
	dep, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	eventually(t, func() bool { return d.Calls("AppendLog") > 0 }, "the log was never stored")
	w.Close()
	if got, _ := w.Store.Deployment(ctx, dep.ID); got.State != deploy.Failed {
		t.Errorf("deployment is %s", got.State)
	}
}

func TestAChangeThatComesWhileTheStoreFailsIsNotForgotten(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.FailUntilHealed("Apps", deploytest.FailBefore)
	w.Runtime.Kill("shop", 1)
	eventually(t, func() bool { return d.Hit("Apps") }, "nobody looked")
	d.Heal()
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v1" }, "v1 was never started again")
}

func TestARecordThatCannotBeSettledDoesNotKeepTheAppDown(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.FailUntilHealed("Advance", deploytest.FailBefore)
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx, two.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.Close()
	w.Runtime.Kill("shop", 2) // the machine was rebooted, and the repository is broken
	d = w.OpenWith(func(d *deploytest.Daemon) { d.FailUntilHealed("Advance", deploytest.FailBefore) })
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v2" }, "v2 was never started again")
	d.Heal()
	stored(t, w, two.ID, func(d deploy.Deployment) bool { return d.State == deploy.Live })
	if w.Ref() != "two" {
		t.Errorf("the ref is at %q", w.Ref())
	}
}

func TestAnOlderPushDoesNotTakeTheRefBack(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.FailUntilHealed("Advance", deploytest.FailBefore)
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if two, err = d.Wait(ctx, two.ID, 0); err != nil || !two.State.Committed() {
		t.Fatalf("%s, %v", two.State, err)
	}
	d.Before("Activate", d.Heal) // the repository works again when the next push is promoted
	mustPush(ctx, t, d, "three", deploy.Live)
	mustWait(ctx, t, d, two, deploy.Warm)
	if w.Ref() != "three" {
		t.Errorf("the ref is at %q, and v3 is live", w.Ref())
	}
}

func TestARefThatCannotBeMovedDelaysNoGrace(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace = time.Millisecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.FailUntilHealed("Advance", deploytest.FailBefore)
	if _, err := d.Push(ctx, "two", deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Join(w.Runtime.Running(), " ") == "green v2.1" }, "running: %v", w.Runtime.Running())
	d.Heal()
}

func TestAReleaseThatCouldNotBeTakenOffTheStageIsTakenOffLater(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	d.Fail("Stage", deploytest.FailBefore)
	if dep, err := d.Cancel(ctx, "shop", 0, "ben"); err != nil || dep.State != deploy.Canceled {
		t.Fatalf("cancel: %s, %v", dep.State, err)
	}
	eventually(t, func() bool {
		app, err := w.Store.App(ctx, "shop")
		return err == nil && app.Staged == 0 && len(w.Runtime.All()) == 1
	}, "v2 is on the stage for ever: %v", w.Runtime.All())
}
