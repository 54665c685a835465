package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantAnswer(t *testing.T, d *deploytest.Daemon, want string) {
	t.Helper()
	if got := d.Router.Get("shop", "/"); got != want {
		t.Fatalf("production answers %q, want %q", got, want)
	}
}

func TestFirstPushGoesToBlueSecondToGreen(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	one := mustPush(ctx, t, d, "one", deploy.Live)
	wantAnswer(t, d, "v1")
	two := mustPush(ctx, t, d, "two", deploy.Live)
	wantAnswer(t, d, "v2")
	if one.Color != deploy.Blue || two.Color != deploy.Green {
		t.Errorf("colors are %s and %s", one.Color, two.Color)
	}
	if w.Ref() != "two" {
		t.Errorf("ref is at %q", w.Ref())
	}
	if two.Receipt == nil || two.Receipt.Replaced != 1 || two.Receipt.Image == "" {
		t.Errorf("receipt: %+v", two.Receipt)
	}
}

func TestFailedPushesKeepTheOldColorServing(t *testing.T) {
	for _, c := range []struct {
		text   string
		step   deploy.Step
		reason string
	}{
		{"fails to build", deploy.StepBuild, "step 3/4 ended with exit code 1"},
		{"migrates badly", deploy.StepRelease, "exit code 1"},
		{"exits at once", deploy.StepStart, "the app ended with exit code 3"},
		{"broken", deploy.StepProbe, "probe answered 500"},
	} {
		t.Run(c.text, func(t *testing.T) {
			w := deploytest.New(t)
			d, ctx := w.Open(), within(t)
			mustPush(ctx, t, d, "one", deploy.Live)
			images := w.Images()
			dep := mustPush(ctx, t, d, c.text, deploy.Failed)
			if f := dep.Failure; f == nil || f.Step != c.step || !strings.HasPrefix(f.Reason, c.reason) || f.Hint == "" {
				t.Errorf("failure is %+v", dep.Failure)
			}
			wantAnswer(t, d, "v1")
			if w.Ref() != "one" {
				t.Errorf("the ref moved to %q", w.Ref())
			}
			if got := w.Runtime.All(); !slices.Equal(got, []string{"blue v1.1"}) {
				t.Errorf("instances: %v", got)
			}
			if w.Images() != images {
				t.Errorf("%d images are left of %d", w.Images(), images)
			}
			alerts := w.Store.Alerts()
			if len(alerts) != 1 || alerts[0].ServingV != 1 || alerts[0].Serving != deploy.Blue || alerts[0].Pusher != "anna" {
				t.Errorf("alerts: %+v", alerts)
			}
		})
	}
}

func TestTheSameFailureIsOneEpisode(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	p := w.Commit("broken", deploy.Options{})
	for range 2 {
		dep, err := d.Receive(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		mustWait(ctx, t, d, dep, deploy.Failed)
	}
	if n := len(w.Store.Alerts()); n != 1 {
		t.Errorf("%d alerts for one commit that failed twice", n)
	}
	mustPush(ctx, t, d, "broken again", deploy.Failed)
	if n := len(w.Store.Alerts()); n != 2 {
		t.Errorf("%d alerts for two commits that failed", n)
	}
}

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

// gate blocks builds until it is opened or the build's context ends.
type gate struct {
	open    chan struct{}
	waiting chan string
}

func holdBuilds(w *deploytest.World) *gate {
	g := &gate{make(chan struct{}), make(chan string, 100)}
	w.Building = func(ctx context.Context, req deploy.BuildRequest, _ io.Writer) error {
		g.waiting <- req.Commit.Subject
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g
}

func TestNewestPushWinsAndTheLoserIsToldByWhom(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	one, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	two, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one = mustWait(ctx, t, d, one, deploy.Superseded)
	if !strings.Contains(one.Note, "anna's push of ") {
		t.Errorf("the loser's note is %q", one.Note)
	}
	close(g.open)
	mustWait(ctx, t, d, two, deploy.Live)
	if got := w.Ref(); got != "two" {
		t.Errorf("the ref is at %q", got)
	}
}

func TestOfTwentyParallelPushesTheLastAcceptedServesAndEveryLoserIsTold(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	var wg sync.WaitGroup
	var last atomic.Int64
	var won atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			dep, err := d.Push(ctx, fmt.Sprintf("push %d", i), deploy.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for old := last.Load(); int64(dep.ID) > old && !last.CompareAndSwap(old, int64(dep.ID)); old = last.Load() {
			}
			dep, err = d.Wait(ctx, dep.ID, time.Second)
			switch {
			case err != nil:
				t.Error(err)
			case dep.State.Committed():
				won.Add(1)
			case dep.State != deploy.Superseded || dep.Note == "":
				t.Errorf("deployment %d: %s %q", dep.ID, dep.State, dep.Note)
			}
		})
	}
	wg.Wait()
	dep, err := w.Store.Deployment(ctx, deploy.DeploymentID(last.Load()))
	if err != nil || !dep.State.Committed() || won.Load() == 0 {
		t.Fatalf("last accepted is %s, %d won, %v\n%v", dep.State, won.Load(), err, w.Store)
	}
	wantAnswer(t, d, deploy.ReleaseName(dep.Release))
}

func TestCancelReallyStopsTheBuild(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	dep, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	got, err := d.Cancel(ctx, "shop", "ben")
	if err != nil || got.State != deploy.Canceled || got.ID != dep.ID || got.Note != "canceled by ben" {
		t.Errorf("cancel: %+v, %v", got, err)
	}
	if _, err := d.Cancel(ctx, "shop", "ben"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("second cancel: %v", err)
	}
}

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
	if dep, err := d.Cancel(ctx, "shop", "ben"); err != nil || dep.State != deploy.Canceled {
		t.Errorf("cancel of a staged one: %s, %v", dep.State, err)
	}
	wantAnswer(t, d, "v3")
	if got := w.Runtime.All(); slices.Contains(got, "blue v4.1") || slices.Contains(got, "green v4.1") {
		t.Errorf("instances: %v", got)
	}
}

func TestConfigMakesAReleaseOfTheSameImageWithoutABuild(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	if _, err := d.Reconfigure(ctx, "shop", "anna"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("config of an app without release: %v", err)
	}
	mustPush(ctx, t, d, "one", deploy.Live)
	app, _ := w.Store.App(ctx, "shop")
	app.Env = map[string]string{"COLOR": "red"}
	w.Store.PutApp(app)
	d.Fail("Build", deploytest.FailBefore)
	dep, err := d.Reconfigure(ctx, "shop", "anna")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v2")
	one, _ := w.Store.Release(ctx, "shop", 1)
	two, _ := w.Store.Release(ctx, "shop", 2)
	if two.Image != one.Image || two.Env["COLOR"] != "red" || one.Env["COLOR"] != "" {
		t.Errorf("releases: %+v %+v", one, two)
	}
}

func TestPatchDeploysOnlyWhatDiffers(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	patch := func(want deploy.State) deploy.Deployment {
		t.Helper()
		dep, err := d.Patch(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		return mustWait(ctx, t, d, dep, want)
	}
	if dep := patch(deploy.Canceled); !strings.Contains(dep.Note, "no updates") {
		t.Errorf("note %q", dep.Note)
	}
	if got := w.Runtime.All(); !slices.Equal(got, []string{"blue v1.1"}) {
		t.Errorf("a patch with no updates restarted something: %v", got)
	}
	w.RefreshBases()
	if dep := patch(deploy.Live); dep.By != "" || dep.Cause != deploy.CausePatch {
		t.Errorf("patch: %+v", dep)
	}
	wantAnswer(t, d, "v2")
	dep, err := d.Rollback(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	if _, err := d.Patch(ctx, "shop"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("patch of a rolled back app: %v", err)
	}
	mustPush(ctx, t, d, "two", deploy.Live)
	patch(deploy.Canceled)
}

func TestAPushBeatsAPatchRun(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	g := holdBuilds(w)
	patch, err := d.Patch(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	if _, err := d.Patch(ctx, "shop"); !errors.Is(err, deploy.ErrBusy) {
		t.Errorf("second patch: %v", err)
	}
	push, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	close(g.open)
	mustWait(ctx, t, d, patch, deploy.Superseded)
	mustWait(ctx, t, d, push, deploy.Live)
}

func TestADrainDelaysNeitherThePromotionNorTheNextPush(t *testing.T) {
	w := deploytest.New(t)
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
	if got := <-slow; got != "v1" {
		t.Errorf("the request in flight got %q", got)
	}
}

func TestARequestInFlightIsInTheReceipt(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	slow := make(chan string, 1)
	go func() { slow <- d.Router.Get("shop", "/slow") }()
	eventually(t, func() bool { return d.Router.Figures("shop", 1).InFlight == 1 }, "the slow request never arrived")
	dep := mustPush(ctx, t, d, "two", deploy.Live)
	<-slow
	if r := dep.Receipt; r == nil || r.Drained != 1 || r.Cut != 0 || r.Requests != 1 {
		t.Errorf("receipt: %+v", r)
	}
}

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

func TestAStoppedDaemonEndsItsDeploymentsAsInterrupted(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	dep, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	w.Close()
	got, err := w.Store.Deployment(ctx, dep.ID)
	if err != nil || got.State != deploy.Failed || got.Failure.Step != deploy.StepTeal {
		t.Errorf("deployment: %+v, %v", got, err)
	}
	if _, err := d.Push(ctx, "two", deploy.Options{}); !errors.Is(err, deploy.ErrStopping) {
		t.Errorf("push to a stopped engine: %v", err)
	}
}

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

func TestAPanicInOneDeploymentIsItsFailure(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error { panic("boom") }
	dep := mustPush(ctx, t, d, "two", deploy.Failed)
	if !strings.Contains(dep.Failure.Reason, "boom") {
		t.Errorf("failure: %v", dep.Failure)
	}
	w.Building = nil
	mustPush(ctx, t, d, "three", deploy.Live)
}

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
