package deploy_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestSecretsAreRedactedFromTheLog(t *testing.T) {
	w := deploytest.New(t)
	app, _ := w.Store.App(t.Context(), "shop")
	app.Env = map[string]string{"DATABASE_URL": "postgres://u:hunter2222@db/x", "SHORT": "yes"}
	w.Store.PutApp(app)
	w.Building = func(_ context.Context, _ deploy.BuildRequest, log io.Writer) error {
		fmt.Fprint(log, "connecting to postgres://u:hunter2222@db/x, yes\nhalf a ")
		fmt.Fprint(log, "line \x1b[31mred\n")
		return nil
	}
	d, ctx := w.Open(), within(t)
	dep := mustPush(ctx, t, d, "one", deploy.Live)
	log := strings.Join(w.Store.Log(dep.ID), "\n")
	if strings.Contains(log, "hunter2222") || !strings.Contains(log, "connecting to [redacted], yes") || !strings.Contains(log, "half a line ?[31mred") {
		t.Errorf("log:\n%s", log)
	}
}

func TestWatchersGetEveryLineAndSlowOnesAreDropped(t *testing.T) {
	w := deploytest.New(t)
	started := make(chan struct{})
	watch := make(chan struct{})
	w.Building = func(_ context.Context, _ deploy.BuildRequest, log io.Writer) error {
		close(started)
		<-watch
		for i := range 10_000 {
			fmt.Fprintf(log, "line %d\n", i)
		}
		return nil
	}
	d, ctx := w.Open(), within(t)
	dep, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-started
	slow := d.Watch(dep.ID)
	close(watch)
	mustWait(ctx, t, d, dep, deploy.Live)
	n := 0
	for range slow.C {
		n++
	}
	if !slow.Dropped() || n > 5000 {
		t.Errorf("a reader that never read: dropped %v after %d lines", slow.Dropped(), n)
	}
	if got := len(w.Store.Log(dep.ID)); got < 10_000 {
		t.Errorf("%d lines are stored", got)
	}
	if d.Watch(dep.ID) != nil {
		t.Error("a settled deployment can be watched")
	}
}

func TestEventsAreToldInOrder(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	<-d.Ready()
	sub := d.Subscribe("shop")
	defer sub.Close()
	mustPush(ctx, t, d, "one", deploy.Live)
	want := []deploy.State{deploy.Queued, deploy.Building, deploy.Starting, deploy.Probing, deploy.Promoting, deploy.Live}
	for _, s := range want {
		select {
		case e := <-sub.C:
			if e.State != s {
				t.Fatalf("event %s, want %s", e.State, s)
			}
		case <-ctx.Done():
			t.Fatalf("no event %s", s)
		}
	}
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
