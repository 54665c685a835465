package deploy_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestRollbackToARunningReleaseIsASwitchAndNothingElse(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	for _, call := range []string{"Build", "Start", "List"} {
		d.Fail(call, deploytest.FailBefore)
	}
	dep, err := d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	dep = mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v1")
	if dep.Release != 1 || dep.Color != deploy.Blue || dep.Cause != deploy.CauseRollback {
		t.Errorf("rollback: %+v", dep)
	}
	app, _ := w.Store.App(ctx, "shop")
	if app.Previous != 2 || !app.PatchPinned {
		t.Errorf("app after rollback: %+v", app)
	}
	if w.Ref() != "two" {
		t.Errorf("a rollback moved the ref to %q", w.Ref())
	}
}

func TestAfterItsGraceTheReplacedReleaseSleepsAndComesBackWithoutABuild(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace = 50 * time.Millisecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	asleep := func(id deploy.DeploymentID) func() bool {
		return func() bool {
			dep, err := w.Store.Deployment(ctx, id)
			return err == nil && dep.State == deploy.Asleep
		}
	}
	eventually(t, asleep(1), "v1 never slept\n%v", w.Store)
	if got := w.Runtime.Running(); !slices.Equal(got, []string{"green v2.1"}) {
		t.Fatalf("running: %v", got)
	}
	d.Fail("Build", deploytest.FailBefore)
	dep, err := d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v1")
	eventually(t, asleep(2), "v2 never slept\n%v", w.Store)
}

func TestAnOlderReleaseComesBackByNumber(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	for _, text := range []string{"one", "two", "three"} {
		mustPush(ctx, t, d, text, deploy.Live)
	}
	dep, err := d.Rollback(ctx, "shop", 1, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v1")
	for _, release := range []int{1, 9} {
		if _, err := d.Rollback(ctx, "shop", release, "ben"); !errors.Is(err, deploy.ErrNothing) && !errors.Is(err, deploy.ErrNotFound) {
			t.Errorf("rollback to v%d: %v", release, err)
		}
	}
}

func TestAFailedRollbackLeavesBothAsTheyWere(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace = time.Millisecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	eventually(t, func() bool { return len(w.Runtime.Running()) == 1 }, "v1 never slept")
	d.Fail("Start", deploytest.FailAfter)
	dep, err := d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Failed)
	wantAnswer(t, d, "v2")
	eventually(t, func() bool { return len(w.Runtime.Running()) == 1 && len(w.Runtime.All()) == 2 },
		"v1 is not asleep again: %v", w.Runtime.All())
	dep, err = d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v1")
}

func TestTheSecondOfTwoEqualRollbacksDoesNotMoveWhatServes(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	var second deploy.Deployment
	var err error
	d.Before("Activate", func() { second, err = d.Rollback(ctx, "shop", 1, "anna") }) // a double click
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
	if err != nil {
		t.Fatal(err)
	}
	second, err = d.Wait(ctx, second.ID, time.Second)
	if err != nil || second.State != deploy.Canceled || !strings.Contains(second.Note, "v1 is live already") {
		t.Errorf("the second is %s %q, %v", second.State, second.Note, err)
	}
	wantAnswer(t, d, "v1")
	if got := w.Runtime.Running(); !slices.Equal(got, []string{"blue v1.1", "green v2.1"}) {
		t.Errorf("running: %v", got)
	}
}

func TestARollbackThatRacesTheEndOfTheGraceStartsWhatWasStopped(t *testing.T) {
	w := deploytest.New(t)
	var late atomic.Bool
	w.Now = func() time.Time {
		if late.Load() {
			return time.Now().Add(time.Hour)
		}
		return time.Now()
	}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	// The keeper sees that the grace is over; before it stops v1, a rollback
	// finds v1 running and well. The stop works, and says that it did not.
	late.Store(true)
	looking, goOn := make(chan struct{}), make(chan struct{})
	d.Before("Release", func() { close(looking); <-goOn })
	d.Fail("Stop", deploytest.FailAfter)
	w.Runtime.Changed()
	<-looking
	probes, starts := d.Done("Probe"), d.Calls("Update starting")
	back := mustRollback(ctx, t, d, 1)
	eventually(t, func() bool { return d.Done("Probe") > probes }, "v1 was not probed")
	close(goOn)
	if back, err := d.Wait(ctx, back.ID, 0); err != nil || !back.State.Committed() {
		t.Fatalf("rollback: %s, %v", back.State, err)
	}
	wantAnswer(t, d, "v1")
	if !d.Hit("Stop") || d.Calls("Update starting") == starts {
		t.Error("v1 was promoted, stopped as it was")
	}
}

func TestANewEnvironmentBehindAQueuedRollbackIsRefusedNotLost(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	var back deploy.Deployment
	var err, errConfig error
	d.Before("Activate", func() {
		back, err = d.Rollback(ctx, "shop", 1, "ben")
		_, errConfig = d.Reconfigure(ctx, "shop", "anna")
	})
	mustBeCommitted(ctx, t, d, "three")
	if err != nil || !errors.Is(errConfig, deploy.ErrBusy) {
		t.Fatalf("rollback: %v, config: %v", err, errConfig)
	}
	mustWait(ctx, t, d, back, deploy.Live)
}
