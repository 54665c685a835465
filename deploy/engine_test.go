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
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

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
	got, err := d.Cancel(ctx, "shop", 0, "ben")
	if err != nil || got.State != deploy.Canceled || got.ID != dep.ID || got.Note != "canceled by ben" {
		t.Errorf("cancel: %+v, %v", got, err)
	}
	if _, err := d.Cancel(ctx, "shop", 0, "ben"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("second cancel: %v", err)
	}
}

func TestCancelOfADeploymentThatIsOverSparesANewerOne(t *testing.T) {
	w := deploytest.New(t)
	g := holdBuilds(w)
	d, ctx := w.Open(), within(t)
	first, err := d.Push(ctx, "one", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	second, err := d.Push(ctx, "two", deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	if _, err := d.Cancel(ctx, "shop", first.ID, "ben"); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("cancel of the first: %v", err)
	}
	if dep, err := w.Store.Deployment(ctx, second.ID); err != nil || dep.State != deploy.Building {
		t.Errorf("the second is %s, %v", dep.State, err)
	}
	if dep, err := d.Cancel(ctx, "shop", second.ID, "ben"); err != nil || dep.State != deploy.Canceled || dep.ID != second.ID {
		t.Errorf("cancel of the second: %+v, %v", dep, err)
	}
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

func TestAPanicInOneDeploymentIsItsFailure(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error { panic(errors.New("boom")) }
	dep := mustPush(ctx, t, d, "two", deploy.Failed)
	if dep.Failure.Class != "teal" || !strings.Contains(dep.Failure.Reason, "a panic with a *errors.errorString") {
		t.Errorf("failure: %+v", dep.Failure)
	}
	w.Building = nil
	mustPush(ctx, t, d, "three", deploy.Live)
}

func TestAPanicTellsNoSecret(t *testing.T) {
	const secret = "swordfish-9000"
	w := deploytest.New(t)
	var log bytes.Buffer
	w.Logs = append(w.Logs, &log)
	d, ctx := w.Open(), within(t)
	for name, value := range map[string]any{
		"a text": "cannot parse TOKEN=" + secret, "an error": fmt.Errorf("bad token %q", secret), "bytes": []byte(secret),
		"a value": struct{ Env map[string]string }{map[string]string{"TOKEN": secret}},
	} {
		w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error { panic(value) }
		dep := mustPush(ctx, t, d, name, deploy.Failed)
		if text := fmt.Sprintf("%+v %v", dep.Failure, w.Store.Log(dep.ID)); strings.Contains(text, secret) || !strings.Contains(text, "Teal has a bug") {
			t.Errorf("%s: the failure and its log: %s", name, text)
		}
	}
	w.Building = func(context.Context, deploy.BuildRequest, io.Writer) error {
		return errors.New(strings.Fields(secret)[3])
	}
	dep := mustPush(ctx, t, d, "the runtime's", deploy.Failed)
	if !strings.Contains(dep.Failure.Reason, "index out of range [3] with length 1") {
		t.Errorf("failure: %v", dep.Failure)
	}
	w.Close()
	if text := log.String(); strings.Contains(text, secret) || !strings.Contains(text, "engine_test.go") {
		t.Errorf("the log has the secret, or does not say where:\n%s", text)
	}
}
