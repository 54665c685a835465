package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func mustRollback(ctx context.Context, t *testing.T, d *deploytest.Daemon, release int) deploy.Deployment {
	t.Helper()
	dep, err := d.Rollback(ctx, "shop", release, "ben")
	if err != nil {
		t.Fatal(err)
	}
	return dep
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

func TestAStagedReleaseIsPromotedNotRolledBackTo(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPushWith(ctx, t, d, "two", deploy.Options{NoPromote: true}, deploy.Staged)
	if _, err := d.Rollback(ctx, "shop", 2, "ben"); !errors.Is(err, deploy.ErrNothing) || !strings.Contains(err.Error(), "promote") {
		t.Errorf("rollback to a staged release: %v", err)
	}
}

func TestRequestsInFlightOutliveTwoPromotionsInARow(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	slow := make(chan string, 1)
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	d.FailUntilHealed("Update draining", deploytest.FailBefore) // the next promotion is faster than this record
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx, two.ID, 0); err != nil {
		t.Fatal(err)
	}
	three, err := d.Push(ctx, "three", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx, three.ID, 0); err != nil {
		t.Fatal(err)
	}
	d.Heal()
	if got := <-slow; got != "v1" {
		t.Errorf("the request in flight got %q", got)
	}
	two = mustWait(ctx, t, d, two, deploy.Warm)
	got := stored(t, w, two.ID, func(d deploy.Deployment) bool { return d.Receipt.Drained == 1 })
	if got.Receipt.Cut != 0 || got.Receipt.Requests == 0 {
		t.Errorf("receipt: %+v", got.Receipt)
	}
	mustWait(ctx, t, d, three, deploy.Live)
}

func TestAReleaseThatDrainsTwiceIsKeptUntilBothDrainsAreOver(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace = time.Nanosecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	slow := make(chan string, 1)
	hold := make(chan struct{})
	d.Before("Drain", func() { <-hold })
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx, two.ID, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return d.Calls("Update draining") > 0 }, "v1 never drained")
	back := mustRollback(ctx, t, d, 1)
	if _, err := d.Wait(ctx, back.ID, 0); err != nil {
		t.Fatal(err)
	}
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	forth := mustRollback(ctx, t, d, 2)
	if _, err := d.Wait(ctx, forth.ID, 0); err != nil {
		t.Fatal(err)
	}
	close(hold)
	if got := <-slow; got != "v1" {
		t.Errorf("the request in flight got %q", got)
	}
	mustWait(ctx, t, d, forth, deploy.Live)
}

func TestARollbackThatRacesTheEndOfTheGraceStartsWhatWasStopped(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Grace = 30 * time.Millisecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	stopping := make(chan struct{})
	goOn := make(chan struct{})
	d.Before("Stop", func() { close(stopping); <-goOn })
	d.Fail("Stop", deploytest.FailAfter) // it did stop, and said it did not
	mustPush(ctx, t, d, "two", deploy.Live)
	<-stopping
	probes := d.Calls("Probe")
	back := mustRollback(ctx, t, d, 1)
	eventually(t, func() bool { return d.Calls("Probe") > probes || d.Calls("App") > 0 }, "no probe")
	close(goOn)
	mustWait(ctx, t, d, back, deploy.Live)
	wantAnswer(t, d, "v1")
}

func TestACrashingReleaseIsStartedAgainWithPauses(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	starts := d.Calls("Start")
	w.Runtime.Crash("shop", 1)
	eventually(t, func() bool { return d.Calls("Start") > starts }, "v1 was never started again")
	deadline := time.After(500 * time.Millisecond)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-tick.C:
			w.Runtime.Kill("shop", 1) // the Engine tells of changes all the time
			continue
		case <-deadline:
			tick.Stop()
		}
		break
	}
	if n := d.Calls("Start") - starts; n > 3 {
		t.Errorf("started %d times in half a second", n)
	}
}

func TestOneDeadInstanceOfThreeIsStartedAgainAndTheOthersServe(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Instances = 3
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Runtime.KillOne("shop", 1, 1)
	eventually(t, func() bool { return len(w.Runtime.Running()) == 3 && d.Router.Get("shop", "/") == "v1" }, "running: %v", w.Runtime.Running())
	w.Settings.Instances = 1 // a new release may have fewer
	mustPush(ctx, t, d, "two", deploy.Live)
	w.Runtime.KillOne("shop", 1, 2)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	wantAnswer(t, d, "v1")
	if got := w.Runtime.Running(); !slices.Equal(got, []string{"blue v1.1", "blue v1.2", "blue v1.3", "green v2.1"}) {
		t.Errorf("running: %v", got)
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
	mustPush(ctx, t, d, "three", deploy.Live)
	if err != nil || !errors.Is(errConfig, deploy.ErrBusy) {
		t.Fatalf("rollback: %v, config: %v", err, errConfig)
	}
	mustWait(ctx, t, d, back, deploy.Live)
}

func TestARedeployThatWaitedDeploysWhatIsLiveThen(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	var again deploy.Deployment
	var err error
	d.Before("Activate", func() { again, err = d.Redeploy(ctx, "shop", deploy.Options{}, "ben") })
	mustPush(ctx, t, d, "two", deploy.Live)
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

func TestAPanicBeyondTheBarIsCompletedByTheKeeper(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	for _, call := range []string{"Advance", "Drain"} {
		d.Before(call, func() { panic("boom") })
		dep, err := d.Push(ctx, "push for "+call, deploy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if dep, err = d.Wait(ctx, dep.ID, time.Second); err != nil || !dep.State.Committed() {
			t.Fatalf("%s: %s, %v", call, dep.State, err)
		}
		stored(t, w, dep.ID, func(d deploy.Deployment) bool { return d.State == deploy.Live })
		if want := "push for " + call; w.Ref() != want {
			t.Errorf("the ref is at %q, want %q", w.Ref(), want)
		}
	}
	d.Before("List", func() { panic("boom") })
	w.Runtime.Kill("shop", 3)
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v3" }, "the keeper did not survive a panic")
}

func TestASecretIsNotInTheEventOfAFailure(t *testing.T) {
	w := deploytest.New(t)
	app, _ := w.Store.App(t.Context(), "shop")
	app.Env = map[string]string{"TOKEN": "hunter2222"}
	w.Store.PutApp(app)
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error {
		return fmt.Errorf("%s cannot log in with hunter2222", strings.Repeat("x", 269))
	}
	d, ctx := w.Open(), within(t)
	dep := mustPush(ctx, t, d, "one", deploy.Failed)
	if strings.Contains(dep.Failure.Reason, "hunter") {
		t.Errorf("failure: %v", dep.Failure)
	}
	for _, e := range w.Store.Events() {
		if strings.Contains(e.Text, "hunter") {
			t.Errorf("event: %s", e.Text)
		}
	}
}

func TestASecretThatWasSetDuringTheBuildIsRedactedToo(t *testing.T) {
	w := deploytest.New(t)
	w.Building = func(ctx context.Context, _ deploy.BuildRequest, _ io.Writer) error {
		app, _ := w.Store.App(ctx, "shop")
		app.Env = map[string]string{"TOKEN": "migrates"} // what the release command prints
		w.Store.PutApp(app)
		return nil
	}
	d, ctx := w.Open(), within(t)
	dep := mustPush(ctx, t, d, "it migrates", deploy.Live)
	for _, l := range w.Store.Log(dep.ID) {
		if strings.Contains(l, "it says migrates") {
			t.Errorf("log line %q", l)
		}
	}
}

func TestADestructionThatBrokeOffLeavesAnAppThatCanBePushedTo(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	hold, barred := make(chan struct{}), make(chan struct{})
	d.Before("Activate", func() { close(barred); <-hold })
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-barred
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	errDestroy := d.Destroy(short, "shop", "ben")
	close(hold)
	if errDestroy == nil {
		t.Error("destroyed while a switch was being committed")
	}
	mustWait(ctx, t, d, two, deploy.Live)
	mustPush(ctx, t, d, "three", deploy.Live)
}

func TestAnAppOfTheSameNameBeginsAnew(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.FailUntilHealed("Advance", deploytest.FailBefore)
	two, err := d.Push(ctx, "two", deploy.Options{}) // its ref is still to be moved when the app goes
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx, two.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Destroy(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	w.Store.PutApp(deploy.App{Name: "shop"})
	d.Heal()
	dep := mustPush(ctx, t, d, "three", deploy.Live)
	if dep.Release != 1 || w.Ref() != "three" {
		t.Errorf("v%d is live, the ref is at %q", dep.Release, w.Ref())
	}
	wantAnswer(t, d, "v1")
	eventually(t, func() bool { return d.Watch(two.ID) == nil }, "the old app's deployment never settled")
}
