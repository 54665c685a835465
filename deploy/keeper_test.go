package deploy_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestRetentionKeepsTheImagesOneCanGoBackTo(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 2
	d, ctx := w.Open(), within(t)
	for i := range 8 {
		mustPush(ctx, t, d, fmt.Sprintf("push %d", i), deploy.Live)
	}
	eventually(t, func() bool { return w.Images() == 4 }, "%d images are kept, want live, previous and 2", w.Images())
	if _, err := d.Rollback(ctx, "shop", 1, "ben"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("rollback to a release whose image is gone: %v", err)
	}
	dep, err := d.Rollback(ctx, "shop", 5, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
}

func TestAnEngineThatIsAwayChangesNoRouteAndIsFoundAgain(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Runtime.Away(true)
	wantAnswer(t, d, "v1")
	dep := mustPush(ctx, t, d, "two", deploy.Failed)
	if !errors.Is(dep.Failure, deploy.ErrEngineAway) {
		t.Errorf("failure: %v", dep.Failure)
	}
	wantAnswer(t, d, "v1")
	w.Runtime.Away(false)
	mustPush(ctx, t, d, "three", deploy.Live)
	eventually(t, func() bool { return len(w.Runtime.All()) == 2 }, "instances: %v", w.Runtime.All())
}

func TestADeadInstanceOfTheLiveReleaseIsStartedAgain(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Runtime.Kill("shop", 1)
	eventually(t, func() bool { return d.Router.Get("shop", "/") == "v1" }, "v1 was never started again")
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
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one, thrice", deploy.Live)
	w.Runtime.KillOne("shop", 1, 1)
	eventually(t, func() bool { return len(w.Runtime.Running()) == 3 && d.Router.Get("shop", "/") == "v1" }, "running: %v", w.Runtime.Running())
	mustPush(ctx, t, d, "two, once", deploy.Live) // a new release may have fewer
	w.Runtime.KillOne("shop", 1, 2)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	wantAnswer(t, d, "v1")
	if got := w.Runtime.Running(); !slices.Equal(got, []string{"blue v1.1", "blue v1.2", "blue v1.3", "green v2.1"}) {
		t.Errorf("running: %v", got)
	}
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
