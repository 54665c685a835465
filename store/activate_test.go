package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

func TestActivateMovesTheAppAndItsDeployments(t *testing.T) {
	f := newFixture(t)
	v1, v2, v3 := f.release(t).Number, f.release(t).Number, f.release(t).Number

	first := f.promote(t, deploy.CausePush, v1)
	app := f.shop(t)
	if app.Active != deploy.Blue || app.Live != v1 || app.Previous != 0 || !app.ReplacedAt.Equal(first.PromotedAt) {
		t.Errorf("after the first promotion the app is %+v", app)
	}
	equal(t, "version", first.Version, 2)
	equal(t, "replaces", first.Replaces, 0)

	f.clock.Advance(time.Hour)
	ok(t, f.Stage(t.Context(), "shop", v2))
	second := f.promote(t, deploy.CausePush, v2)
	app = f.shop(t)
	if app.Active != deploy.Green || app.Live != v2 || app.Previous != v1 || app.Staged != 0 || !app.ReplacedAt.Equal(f.clock.Now()) {
		t.Errorf("after the second promotion the app is %+v", app)
	}
	equal(t, "replaces", second.Replaces, v1)
	equal(t, "first", f.state(t, first.ID), deploy.Warm)

	third := f.promote(t, deploy.CauseConfig, v3)
	equal(t, "first", f.state(t, first.ID), deploy.Replaced)
	equal(t, "second", f.state(t, second.ID), deploy.Warm)
	equal(t, "third", f.state(t, third.ID), deploy.Promoting)
	stored := must(f.Deployment(t.Context(), third.ID))(t)
	equal(t, "release that it replaces", stored.Replaces, v2)
	equal(t, "newest event", must(f.Events(t.Context(), "shop", 1))(t)[0].State, deploy.Promoting)
}

func TestRollbackTakesOverTheWarmColor(t *testing.T) {
	f := newFixture(t)
	v1, v2 := f.release(t).Number, f.release(t).Number
	first := f.promote(t, deploy.CausePush, v1)
	second := f.promote(t, deploy.CausePush, v2)
	back := f.promote(t, deploy.CauseRollback, v1)
	equal(t, "deployment whose containers were taken over", f.state(t, first.ID), deploy.Replaced)
	equal(t, "deployment that was live", f.state(t, second.ID), deploy.Warm)
	equal(t, "rollback", f.state(t, back.ID), deploy.Promoting)
	app := f.shop(t)
	if app.Active != deploy.Blue || app.Live != v1 || app.Previous != v2 {
		t.Errorf("after the rollback the app is %+v", app)
	}
}

func TestRollbackPinsAndPushUnpins(t *testing.T) {
	f := newFixture(t)
	v := f.release(t).Number
	for _, step := range []struct {
		cause  deploy.Cause
		pinned bool
	}{
		{deploy.CausePush, false},
		{deploy.CauseRollback, true},
		{deploy.CauseConfig, true},
		{deploy.CauseRedeploy, true},
		{deploy.CausePush, false},
		{deploy.CausePatch, false},
	} {
		f.promote(t, step.cause, v)
		equal(t, "pinned after "+string(step.cause), f.shop(t).PatchPinned, step.pinned)
	}
}

func TestActivateRefusesAndChangesNothing(t *testing.T) {
	f := newFixture(t)
	v := f.release(t).Number
	live := f.promote(t, deploy.CausePush, v) // on blue
	d := f.ready(f.queued(t, deploy.CausePush), deploy.Green, v)
	ended := f.queued(t, deploy.CausePush)
	ended.State = deploy.Canceled
	ended = must(f.UpdateDeployment(t.Context(), ended, "canceled", nil))(t)
	before := f.shop(t)

	with := func(change func(*deploy.Deployment)) deploy.Deployment {
		changed := d
		change(&changed)
		return changed
	}
	for what, try := range map[string]struct {
		from deploy.Color
		d    deploy.Deployment
		want error // nil: any
	}{
		"from none":        {"", d, deploy.ErrConflict},
		"from the other":   {deploy.Green, with(func(d *deploy.Deployment) { d.Color = deploy.Blue }), deploy.ErrConflict},
		"stale version":    {deploy.Blue, with(func(d *deploy.Deployment) { d.Version-- }), deploy.ErrConflict},
		"ended already":    {deploy.Blue, f.ready(ended, deploy.Green, v), deploy.ErrConflict},
		"promoted already": {deploy.Blue, f.ready(live, deploy.Green, v), deploy.ErrConflict},
		"unknown":          {deploy.Blue, with(func(d *deploy.Deployment) { d.ID = 99 }), deploy.ErrNotFound},
		"to the same":      {deploy.Blue, with(func(d *deploy.Deployment) { d.Color = deploy.Blue }), nil},
		"to no color":      {deploy.Blue, with(func(d *deploy.Deployment) { d.Color = "" }), nil},
		"no release":       {deploy.Blue, with(func(d *deploy.Deployment) { d.Release = 0 }), nil},
		"not promoting":    {deploy.Blue, with(func(d *deploy.Deployment) { d.State = deploy.Probing }), nil},
		"no time":          {deploy.Blue, with(func(d *deploy.Deployment) { d.PromotedAt = time.Time{} }), nil},
	} {
		_, err := f.Activate(t.Context(), try.from, try.d, "promoted")
		if err == nil || try.want != nil && !errors.Is(err, try.want) {
			t.Errorf("%s: error is %v, want %v", what, err, try.want)
		}
	}
	after := f.shop(t)
	if after.Active != before.Active || after.Live != before.Live {
		t.Errorf("app was %+v and is %+v", before, after)
	}
	equal(t, "deployment", f.state(t, d.ID), deploy.Queued)
	equal(t, "live deployment", f.state(t, live.ID), deploy.Promoting)
}

func TestOneOfManyActivationsWins(t *testing.T) {
	f := newFixture(t)
	const rounds, many = 5, 16
	for range rounds {
		app := f.shop(t)
		candidates := make([]deploy.Deployment, many)
		for i := range candidates {
			candidates[i] = f.ready(f.queued(t, deploy.CausePush), app.Idle(), f.release(t).Number)
		}
		won := race(t, f, app.Active, candidates)
		equal(t, "winners", len(won), 1)
		equal(t, "live release", f.shop(t).Live, won[0].Release)
		equal(t, "active color", f.shop(t).Active, app.Idle())
	}
}

// race activates all at once and gives those that were let through.
func race(t *testing.T, f fixture, from deploy.Color, all []deploy.Deployment) (won []deploy.Deployment) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, d := range all {
		wg.Go(func() {
			d, err := f.Activate(t.Context(), from, d, "promoted")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, d)
			case !errors.Is(err, deploy.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return won
}

// However deployments come and go, one is committed to serving, one at most is
// kept for a rollback, and the app names their releases.
func TestHistoryStaysConsistentInAnyOrder(t *testing.T) {
	f := newFixture(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	causes := []deploy.Cause{deploy.CausePush, deploy.CauseRollback, deploy.CauseConfig, deploy.CausePatch}
	for range 60 {
		d := f.promote(t, causes[random.IntN(len(causes))], 1+random.IntN(9))
		for _, next := range []deploy.State{deploy.Draining, deploy.Live}[:random.IntN(3)] {
			d.State = next
			d = must(f.UpdateDeployment(t.Context(), d, "", nil))(t)
		}
		if random.IntN(2) == 0 {
			sleep(t, f)
		}
		serving, kept := 0, 0
		app := f.shop(t)
		for _, o := range must(f.Open(t.Context()))(t) {
			switch o.State {
			case deploy.Promoting, deploy.Draining, deploy.Live:
				serving++
				equal(t, "live", app.Live, o.Release)
				equal(t, "active", app.Active, o.Color)
			case deploy.Warm, deploy.Asleep:
				kept++
				equal(t, "previous", app.Previous, o.Release)
				equal(t, "color of the kept one", app.Idle(), o.Color)
			}
		}
		if serving != 1 || kept > 1 {
			t.Fatalf("%d deployments serve and %d are kept", serving, kept)
		}
	}
}

// sleep ends the grace period of the warm deployment.
func sleep(t *testing.T, f fixture) {
	t.Helper()
	for _, d := range must(f.Open(t.Context()))(t) {
		if d.State == deploy.Warm {
			d.State = deploy.Asleep
			must(f.UpdateDeployment(t.Context(), d, "asleep", nil))(t)
		}
	}
}

func TestCommitIsDurableAndProgressIsCheap(t *testing.T) {
	f := newFixture(t)
	const normal, full = 1, 2
	level := func(what string, want int) {
		t.Helper()
		equal(t, "durability of "+what, must(f.Synchronous(t.Context()))(t), want)
	}
	d := f.queued(t, deploy.CausePush)
	level("a queued push", full)
	d.State = deploy.Building
	d = must(f.UpdateDeployment(t.Context(), d, "builds", nil))(t)
	level("a state left of the bar", normal)
	ok(t, f.AppendLog(t.Context(), d.ID, []deploy.LogLine{{N: 1}}))
	level("log lines", normal)
	d.State = deploy.Failed
	must(f.UpdateDeployment(t.Context(), d, "failed", nil))(t)
	level("a failure", full)

	v := f.release(t).Number
	back := f.queued(t, deploy.CauseRollback)
	level("a queued rollback", normal)
	must(f.Activate(t.Context(), "", f.ready(back, deploy.Blue, v), "promoted"))(t)
	level("the commit", full)
	ok(t, f.Audit(t.Context(), "anna", deploy.VerbView, "", true))
	level("an audit record", normal)
	ok(t, f.AddKey(t.Context(), deploy.Key{User: "anna", Fingerprint: "SHA256:1"}))
	level("a key", full)
}

func TestCommitDoesNotReadTheHistory(t *testing.T) {
	f := newFixture(t)
	plan := must(f.PlanOfTheCommit(t.Context()))(t)
	if !strings.Contains(strings.Join(plan, "\n"), "deployments_by_state (state=? AND app=?") {
		t.Errorf("plan is %q", plan)
	}
}

// What the store costs "restart previous" when the previous color still runs: a
// new deployment and the commit. The second one while a build writes its log.
func BenchmarkRollback(b *testing.B) {
	b.Run("alone", func(b *testing.B) { rollbacks(b, newFixture(b)) })
	b.Run("beside a build", func(b *testing.B) {
		f := newFixture(b)
		build := f.queued(b, deploy.CausePush)
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() { talk(ctx, b, f, build.ID) })
		rollbacks(b, f)
		cancel()
		wg.Wait()
	})
}

func rollbacks(b *testing.B, f fixture) {
	b.Helper()
	v := f.release(b).Number
	app := f.shop(b)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		d := f.ready(f.queued(b, deploy.CauseRollback), app.Idle(), v)
		must(f.Activate(b.Context(), app.Active, d, "promoted"))(b)
		took = append(took, time.Since(start))
		app.Active = app.Idle()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}

// talk writes a log of some thousand lines a second.
func talk(ctx context.Context, b *testing.B, f fixture, id deploy.DeploymentID) {
	lines := make([]deploy.LogLine, 20)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n += len(lines) {
		for i := range lines {
			lines[i] = deploy.LogLine{N: n + i, Text: "#12 0.713 go: downloading example.com/module v1.2.3"}
		}
		if err := f.AppendLog(ctx, id, lines); err != nil && ctx.Err() == nil {
			b.Error(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
