package deploy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestAStagedReleaseIsOnThePreviewUntilItIsPromoted(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	dep := mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	wantAnswer(t, d, "v1")
	if got := d.Router.Preview("shop"); got != "v2" {
		t.Errorf("preview answers %q", got)
	}
	if w.Ref() != "one" {
		t.Errorf("staging moved the ref to %q", w.Ref())
	}
	d = w.Open() // a staged release outlives the daemon
	got, err := d.Promote(ctx, "shop", "ben")
	if err != nil || got.ID != dep.ID {
		t.Fatalf("promote: %+v, %v", got, err)
	}
	mustWait(ctx, t, d, got, deploy.Live)
	wantAnswer(t, d, "v2")
	if w.Ref() != "two" {
		t.Errorf("the ref is at %q", w.Ref())
	}
	if _, err := d.Promote(ctx, "shop", "ben"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("second promote: %v", err)
	}
}

func TestAStagedReleaseGivesWayToANewerPushAndToCancel(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	staged := mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	mustPush(ctx, t, d, "three", deploy.Live)
	if dep, _ := w.Store.Deployment(ctx, staged.ID); dep.State != deploy.Superseded {
		t.Errorf("the staged one is %s", dep.State)
	}
	mustPushWith(ctx, t, d, "four", deploy.Options{NoPromote: true}, deploy.Staged)
	if dep, err := d.Cancel(ctx, "shop", 0, "ben"); err != nil || dep.State != deploy.Canceled {
		t.Errorf("cancel of a staged one: %s, %v", dep.State, err)
	}
	wantAnswer(t, d, "v3")
	if got := w.Runtime.All(); slices.Contains(got, "blue v4.1") || slices.Contains(got, "green v4.1") {
		t.Errorf("instances: %v", got)
	}
}

func TestAStagedReleaseIsPromotedNotRolledBackTo(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	if _, err := d.Rollback(ctx, "shop", 2, "ben"); !errors.Is(err, deploy.ErrNothing) || !strings.Contains(err.Error(), "promote") {
		t.Errorf("rollback to a staged release: %v", err)
	}
}

func TestPromotingAStagedReleaseWhoseContainerDiedStartsItAgain(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	dep := mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	w.Runtime.Kill("shop", 2)
	if _, err := d.Promote(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	got := mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v2")
	if got.Note != "promoted by ben" {
		t.Errorf("note %q", got.Note)
	}
	log := strings.Join(w.Store.Log(dep.ID), "\n")
	if strings.Count(log, "Probing") != 2 || !strings.Contains(log, "v2 is live on green") {
		t.Errorf("the log of the promotion is not there:\n%s", log)
	}
}

func TestAStagedReleaseWithoutItsImageFailsWithTheReason(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	dep := mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	w.RemoveImages()
	if _, err := d.Promote(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	got := mustWait(ctx, t, d, dep, deploy.Failed)
	if !strings.Contains(got.Failure.Reason, "image of v2") {
		t.Errorf("failure: %v", got.Failure)
	}
	wantAnswer(t, d, "v1")
}

func TestADeploymentThatSettlesWhileTheKeeperReadsIsNoOrphan(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	reading := make(chan struct{})
	const second deploy.DeploymentID = 2
	d.Before("Probe", func() { // the worker is about to settle: have the keeper read first
		d.After("Open", func() {
			close(reading)
			if _, err := d.Wait(ctx, second, 0); err != nil {
				t.Error(err)
			}
		})
		w.Runtime.Away(false) // wakes the keeper
		<-reading
	})
	p := w.Commit("two", deploy.Options{NoPromote: true})
	dep, err := d.Receive(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	<-reading
	mustWait(ctx, t, d, dep, deploy.Staged)
	looks := d.Done("List")
	w.Runtime.Away(false)
	eventually(t, func() bool { return d.Done("List") > looks }, "the keeper never looked again")
	stored(t, w, dep.ID, func(d deploy.Deployment) bool { return d.State == deploy.Staged })
	if got := d.Router.Preview("shop"); got != "v2" {
		t.Errorf("the preview answers %q", got)
	}
}
