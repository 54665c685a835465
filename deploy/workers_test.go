package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func wantRunning(t *testing.T, w *deploytest.World, want ...string) {
	t.Helper()
	eventually(t, func() bool { return slices.Equal(w.Runtime.Running(), want) }, "running: want %q", want)
}

func TestWorkersChangeOverWithWebAndRunInTheLiveReleaseOnly(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one with workers", deploy.Live)
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1")
	mustPush(ctx, t, d, "two with workers", deploy.Live)
	wantRunning(t, w, "blue v1.1", "green v2 mailer.1", "green v2 mailer.2", "green v2.1")
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1", "green v2.1")
	mustPush(ctx, t, d, "three", deploy.Live)
	wantRunning(t, w, "blue v1.1", "green v3.1")
}

func TestWorkerThatDoesNotStayUpIsNotPromoted(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one with workers", deploy.Live)
	dep := mustPush(ctx, t, d, "two with tired workers", deploy.Failed)
	if f := dep.Failure; f == nil || f.Step != deploy.StepStart || !strings.HasPrefix(f.Reason, "worker mailer ended with exit code 3") {
		t.Errorf("failure is %+v", dep.Failure)
	}
	wantAnswer(t, d, "v1")
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1")
}

func TestWorkersThatEndAreStartedAgainAndThoseOfADeadDaemonGo(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one with workers", deploy.Live)
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1")
	w.Runtime.Kill("shop", 1)
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1")
	w.Open()
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1")
}

func TestStagedReleaseHasNoWorkersUntilItIsPromoted(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one with workers", deploy.Live)
	mustPushWith(ctx, t, d, "two with workers", deploy.Options{NoPromote: true}, deploy.Staged)
	wantRunning(t, w, "blue v1 mailer.1", "blue v1 mailer.2", "blue v1.1", "green v2.1")
	dep, err := d.Promote(ctx, "shop", "anna")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantRunning(t, w, "blue v1.1", "green v2 mailer.1", "green v2 mailer.2", "green v2.1")
}
