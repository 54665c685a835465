package deploy_test

import (
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestADrainDelaysNeitherThePromotionNorTheNextPush(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Drain = time.Minute
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	slow := make(chan string, 1)
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	two, err = d.Wait(ctx, two.ID, 0)
	if err != nil || !two.State.Committed() {
		t.Fatalf("second push: %s %v", two.State, err)
	}
	mustPush(ctx, t, d, "three", deploy.Live)
	w.Runtime.AnswerSlow()
	if got := <-slow; got != "v1" {
		t.Errorf("the request in flight got %q", got)
	}
}

func TestARequestInFlightIsInTheReceipt(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Drain = time.Minute
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	slow := make(chan string, 1)
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	d.Before("Drain", w.Runtime.AnswerSlow)
	dep := mustPush(ctx, t, d, "two", deploy.Live)
	<-slow
	if r := dep.Receipt; r == nil || r.Drained != 1 || r.Cut != 0 || r.Requests != 1 {
		t.Errorf("receipt: %+v", r)
	}
}

func TestRequestsInFlightOutliveTwoPromotionsInARow(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Drain = time.Minute
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
	w.Runtime.AnswerSlow()
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
	w.Settings.Drain = time.Minute
	w.Settings.Grace = time.Nanosecond
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	hold := make(chan struct{})
	d.Before("Drain", func() { <-hold }) // the first drain of v1, which has no time at all
	two := mustBeCommitted(ctx, t, d, "two, hasty")
	eventually(t, func() bool { return d.Calls("Update draining") > 0 }, "v1 never drained")
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
	slow := make(chan string, 1)
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	three := mustBeCommitted(ctx, t, d, "three") // the second drain of v1
	close(hold)
	mustWait(ctx, t, d, two, deploy.Replaced)
	w.Runtime.AnswerSlow()
	if got := <-slow; got != "v1" {
		t.Errorf("the request in flight got %q", got)
	}
	mustWait(ctx, t, d, three, deploy.Live)
}
