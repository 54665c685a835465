package deploy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestDestroyLeavesNothing(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	if err := d.Destroy(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	if got := w.Runtime.All(); len(got) != 0 || w.Images() != 0 {
		t.Errorf("left: %v, %d images", got, w.Images())
	}
	if got := d.Router.Get("shop", "/"); got != "down" {
		t.Errorf("production answers %q", got)
	}
	if _, err := d.Push(ctx, "three", deploy.Options{}); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("push to a destroyed app: %v", err)
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

func TestAnImageThatSomeoneElseUsesDoesNotKeepAnAppFromBeingDestroyed(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.HoldImages()
	if err := d.Destroy(ctx, "shop", "ben"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.App(ctx, "shop"); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("the app is still there: %v", err)
	}
}
