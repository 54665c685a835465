package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// commands stands for what runs in throw-away containers: each run waits until
// it is let go, or its context ends.
type commands struct {
	mu    sync.Mutex
	runs  []string // "v1 nightly"
	letGo chan deploy.Exit
}

func holdCommands(w *deploytest.World) *commands {
	c := &commands{letGo: make(chan deploy.Exit)}
	w.Once = func(ctx context.Context, r deploy.Release, argv []string, log io.Writer) (deploy.Exit, error) {
		fmt.Fprintf(log, "%s of %s with %s\n", argv[0], r.Name(), r.Env["TOKEN"])
		c.mu.Lock()
		c.runs = append(c.runs, r.Name()+" "+argv[0])
		c.mu.Unlock()
		select {
		case exit := <-c.letGo:
			return exit, nil
		case <-ctx.Done():
			return deploy.Exit{}, ctx.Err()
		}
	}
	return c
}

func (c *commands) ran() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.runs)
}

func (c *commands) wantRunning(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, func() bool { return slices.Equal(c.ran(), want) }, "ran: want %q", want)
}

func record(t *testing.T, d *deploytest.Daemon, name string) deploy.CronEntry {
	t.Helper()
	table, err := d.CronTable(within(t), "shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range table {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no %s in %+v", name, table)
	return deploy.CronEntry{}
}

func cronEnded(t *testing.T, d *deploytest.Daemon, name string, want deploy.CronOutcome) deploy.CronRecord {
	t.Helper()
	var r deploy.CronRecord
	eventually(t, func() bool { r = record(t, d, name).Last; return r.Outcome == want }, "%s did not end %s: %+v", name, want, &r)
	return r
}

func wantEvent(t *testing.T, w *deploytest.World, part string, times int) {
	t.Helper()
	n := 0
	for _, e := range w.Store.Events() {
		if strings.Contains(e.Text, part) {
			n++
		}
	}
	if n != times {
		t.Errorf("%d events with %q, want %d: %+v", n, part, times, w.Store.Events())
	}
}

func due(t *testing.T, d *deploytest.Daemon, name string, slot time.Time) {
	t.Helper()
	if err := d.CronDue(within(t), "shop", name, slot); err != nil {
		t.Fatal(err)
	}
}

var slot = time.Date(2026, 11, 20, 3, 30, 0, 0, time.UTC)

func TestScheduledCommandRunsInTheLiveReleaseAndEndsInItOverAPromotion(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly")
	mustPush(ctx, t, d, "two cron", deploy.Live)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	mustPush(ctx, t, d, "three cron", deploy.Live)
	c.letGo <- deploy.Exit{}
	if r := cronEnded(t, d, "nightly", deploy.CronOK); r.Release != 1 || r.Color != deploy.Blue || !r.Slot.Equal(slot) {
		t.Errorf("the run is %+v", r)
	}
	due(t, d, "nightly", slot.AddDate(0, 0, 1))
	c.wantRunning(t, "v1 nightly", "v3 nightly")
	c.letGo <- deploy.Exit{}
	cronEnded(t, d, "nightly", deploy.CronOK)
	wantEvent(t, w, "nightly of v3 ran well after", 1)
}

func TestRunIsLeftOutWhileTheOneBeforeGoesOn(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly")
	for day := range 3 {
		due(t, d, "nightly", slot.AddDate(0, 0, day+1))
	}
	if _, err := d.CronRun(ctx, "shop", "nightly", "anna", io.Discard); !errors.Is(err, deploy.ErrBusy) {
		t.Errorf("a second run at hand: %v", err)
	}
	c.letGo <- deploy.Exit{}
	if r := cronEnded(t, d, "nightly", deploy.CronOK); !r.Slot.Equal(slot.AddDate(0, 0, 3)) {
		t.Errorf("dealt with up to %s", r.Slot)
	}
	c.wantRunning(t, "v1 nightly")
	wantEvent(t, w, "nightly is left out this time", 1)
	wantEvent(t, w, "left out meanwhile: 3 times", 1)
}

func TestFailuresInARowAreOneAlertAndAnotherCommitIsAnother(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	day := 0
	run := func(code int, want deploy.CronOutcome, alerts int) {
		t.Helper()
		w.Once = func(_ context.Context, _ deploy.Release, _ []string, log io.Writer) (deploy.Exit, error) {
			fmt.Fprintln(log, "no such table")
			return deploy.Exit{Code: code}, nil
		}
		day++
		due(t, d, "nightly", slot.AddDate(0, 0, day))
		eventually(t, func() bool {
			r := record(t, d, "nightly").Last
			return !r.Running() && r.Outcome == want && r.Slot.Equal(slot.AddDate(0, 0, day))
		}, "run %d did not end %s", day, want)
		if got := w.Store.Alerts(); len(got) != alerts {
			t.Fatalf("run %d: %d alerts, want %d: %+v", day, len(got), alerts, got)
		}
	}
	run(3, deploy.CronFailed, 1)
	run(3, deploy.CronFailed, 1)
	run(0, deploy.CronOK, 1)
	run(3, deploy.CronFailed, 2)
	mustPush(ctx, t, d, "two cron", deploy.Live)
	run(4, deploy.CronFailed, 3)
	a := w.Store.Alerts()
	if last := a[len(a)-1]; last.Cron == nil || last.Failure.Step != deploy.StepCron || len(last.Failure.Log) != 1 {
		t.Errorf("alert: %+v", last)
	}
}

func TestRunAtHandShowsItsOutputWithoutSecretsAndAlertsNobody(t *testing.T) {
	w := deploytest.New(t)
	app, _ := w.Store.App(t.Context(), "shop")
	app.Env = map[string]string{"TOKEN": "s3cr3t-value"}
	w.Store.PutApp(app)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	go func() { c.letGo <- deploy.Exit{Code: 7} }()
	var out bytes.Buffer
	r, err := d.CronRun(ctx, "shop", "nightly", "anna", &out)
	if err != nil || r.Outcome != deploy.CronFailed || r.Exit.Code != 7 || r.By != "anna" {
		t.Errorf("%+v, %v", r, err)
	}
	if want := "nightly of v1 with [redacted]\n"; out.String() != want || strings.Join(r.Output, "\n")+"\n" != want {
		t.Errorf("output %q, kept %q", out.String(), r.Output)
	}
	if len(w.Store.Alerts()) != 0 {
		t.Errorf("alerts: %+v", w.Store.Alerts())
	}
	if _, err := d.CronRun(ctx, "shop", "hourly", "anna", io.Discard); !errors.Is(err, deploy.ErrNotFound) || !strings.Contains(err.Error(), "nightly") {
		t.Errorf("an unknown command: %v", err)
	}
}

func TestRunThatTakesTooLongIsStopped(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one brief cron", deploy.Live)
	holdCommands(w)
	due(t, d, "nightly", slot)
	if r := cronEnded(t, d, "nightly", deploy.CronTimeout); r.Reason != "it took longer than 20ms" {
		t.Errorf("reason %q", r.Reason)
	}
	if len(w.Store.Alerts()) != 1 {
		t.Errorf("alerts: %+v", w.Store.Alerts())
	}
}

func TestStoppingTealCutsARunShortAndKeepsItsSlot(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly")
	d = w.Open()
	if r := cronEnded(t, d, "nightly", deploy.CronCanceled); r.Reason != "the daemon was stopped" || !r.Slot.Equal(slot) {
		t.Errorf("the run is %+v", r)
	}
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly", "v1 nightly")
	d.FailUntilHealed("PutCron", deploytest.FailBefore) // as a daemon that is killed leaves it
	d = w.Open()
	if r := cronEnded(t, d, "nightly", deploy.CronCanceled); r.Reason != "Teal ended while it ran" {
		t.Errorf("the run is %+v", r)
	}
}

func TestDestroyEndsRuns(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly")
	if err := d.Destroy(ctx, "shop", "anna"); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, w, "was cut short", 1)
	if err := d.CronDue(ctx, "shop", "nightly", slot); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("a run of an app that is gone: %v", err)
	}
}

func TestSingleWriterEndsRunsOfTheReleaseThatGoes(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.SingleWriter = true
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	c := holdCommands(w)
	due(t, d, "nightly", slot)
	c.wantRunning(t, "v1 nightly")
	mustPush(ctx, t, d, "two cron", deploy.Live)
	r := cronEnded(t, d, "nightly", deploy.CronCanceled)
	if !strings.Contains(r.Reason, "single writer") {
		t.Errorf("reason %q", r.Reason)
	}
}

func TestCommandsOfADeploymentAreDueOncePerReleaseAndNotForOlderOnes(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	isDue := func(after, once bool) {
		t.Helper()
		if a, o := record(t, d, "after").Due(), record(t, d, "once").Due(); a != after || o != once {
			t.Errorf("due: %v %v, want %v %v", a, o, after, once)
		}
	}
	mustPush(ctx, t, d, "one cron", deploy.Live)
	isDue(true, true)
	due(t, d, "after", time.Time{})
	due(t, d, "once", time.Time{})
	cronEnded(t, d, "after", deploy.CronOK)
	cronEnded(t, d, "once", deploy.CronOK)
	isDue(false, false)
	mustPush(ctx, t, d, "two cron", deploy.Live)
	isDue(true, false)
	due(t, d, "after", time.Time{})
	cronEnded(t, d, "after", deploy.CronOK)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	isDue(false, false)
}

func TestNoMoreThanFourRunAtOnceOverAllApps(t *testing.T) {
	w := deploytest.New(t)
	for i := range 6 {
		w.Store.PutApp(deploy.App{Name: deploy.AppName(fmt.Sprintf("app-%d", i))})
	}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one cron", deploy.Live)
	r, _ := w.Store.Release(ctx, "shop", 1)
	c := holdCommands(w)
	for i := range 6 {
		name := deploy.AppName(fmt.Sprintf("app-%d", i))
		r.App = name
		if _, err := w.Store.CreateRelease(ctx, r); err != nil {
			t.Fatal(err)
		}
		w.Store.PutApp(deploy.App{Name: name, Live: 1, Active: deploy.Blue})
		if err := d.CronDue(ctx, name, "nightly", slot); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return len(c.ran()) == 4 }, "ran: %q", c.ran())
	c.letGo <- deploy.Exit{}
	eventually(t, func() bool { return len(c.ran()) == 5 }, "ran: %q", c.ran())
	w.Close()
	if n := len(c.ran()); n != 5 {
		t.Errorf("%d ran", n)
	}
}
