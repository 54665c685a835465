package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Hard limits of phases that have no setting.
const (
	engineTimeout = 2 * time.Minute  // creating and starting all instances
	storeTimeout  = 30 * time.Second // one write
	// buildTimeout bounds any build. The app's own limit is shorter and the
	// builder's to keep, who reads it in the app's files.
	buildTimeout = 25 * time.Hour
	tailLines    = 30 // of the log, in a failure
)

// run takes a deployment from the queue to the bar and over it, or undoes it.
func (w *worker) run(j *job) {
	if j.giveUp != nil {
		w.abandon(j, j.giveUp.state, j.giveUp.note, nil)
		return
	}
	err := w.steps(j)
	switch {
	case err == nil || j.snapshot().State.Committed():
		return
	case errors.Is(err, errUnknown):
		w.e.settle(j)
		return
	}
	state, note, failure := j.outcome(err)
	w.abandon(j, state, note, failure)
}

// steps are the life of a deployment, in order. The first error ends it.
func (w *worker) steps(j *job) error {
	d := j.snapshot()
	if d.State != Staged {
		w.unstage(d)
	}
	w.introduce()
	switch {
	case d.State == Staged:
		return w.promoteStaged(j)
	case d.Cause.GoesBack():
		return w.rollback(j)
	case d.Cause != CausePush:
		if err := w.aimAtLive(j); err != nil {
			return err
		}
	}
	switch d.Cause {
	case CauseConfig:
		return w.reconfigure(j)
	case CausePatch:
		return w.patch(j)
	}
	built, err := w.build(j)
	if err != nil {
		return err
	}
	r, err := w.release(j, built)
	if err != nil {
		return err
	}
	if err := w.stageable(j, r); err != nil {
		return err
	}
	if err := w.releaseCommand(j, r); err != nil {
		return err
	}
	return w.bringUp(j, r)
}

// aimAtLive has the deployment be about what is live now: something may have
// been promoted since it was asked for, and must not be undone by it.
func (w *worker) aimAtLive(j *job) error {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return err
	}
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.d.Target, j.d.Push.New, j.d.Push.Commit = live.Number, live.Commit.ID, live.Commit
	return nil
}

// bringUp starts a release on the idle color, probes it and switches to it.
func (w *worker) bringUp(j *job, r Release) error {
	if alone, err := w.mustBeAlone(j, r); err != nil {
		return err
	} else if alone != nil {
		return w.replace(j, r, *alone)
	}
	instances, err := w.start(j, r)
	if err != nil {
		return err
	}
	if err := w.probe(j, r, instances); err != nil {
		return err
	}
	if j.snapshot().Push.NoPromote {
		return w.stage(j, r)
	}
	if err := w.shift(j, r); err != nil {
		return err
	}
	if err := w.startWorkers(j, r); err != nil {
		return err
	}
	return w.promote(j, r)
}

// release records what was built as the app's next release.
func (w *worker) release(j *job, built Built) (Release, error) {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	d := j.snapshot()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return Release{}, err
	}
	if app, err = w.makeSecrets(ctx, j, app, built.Settings.Secrets); err != nil {
		return Release{}, err
	}
	return w.createRelease(ctx, j, Release{
		App: w.app, Commit: d.Push.Commit, Image: built.Image, Settings: built.Settings, Env: app.Env,
		CreatedBy: d.By, Cause: d.Cause,
	})
}

// makeSecrets gives the app a value for each of the names that it has none for.
// If we die here: the app has it, and the next deployment takes it along.
func (w *worker) makeSecrets(ctx context.Context, j *job, app App, names []string) (App, error) {
	set := map[string]string{}
	for _, name := range names {
		if _, has := app.Env[name]; !has {
			set[name] = rand.Text() + rand.Text()
		}
	}
	if len(set) == 0 || w.e.SetEnv == nil {
		return app, nil
	}
	j.journal.hide(set)
	app, err := w.e.SetEnv(ctx, w.app, set, nil)
	if err != nil {
		return app, fmt.Errorf("cannot store the secrets that were made for the app: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		j.journal.say("==> %s has a secret value now that was made for the app; config list --show shows it", name)
	}
	return app, nil
}

// createRelease stores the release and makes it the job's candidate.
func (w *worker) createRelease(ctx context.Context, j *job, r Release) (Release, error) {
	w.place.Lock() // the keeper must not see a release that nobody claims
	defer w.place.Unlock()
	r.CreatedAt = w.e.Now()
	r, err := w.e.Store.CreateRelease(ctx, r)
	if err != nil {
		return Release{}, fmt.Errorf("cannot store the release: %w", err)
	}
	w.claim(r.Number)
	j.aim(r.Number, j.snapshot().Color)
	j.journal.hide(r.Env) // it may have changed since the deployment was asked for
	return r, nil
}

// claim marks the release as the one being brought up: the keeper leaves it alone.
func (w *worker) claim(release int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.candidate, w.making = release, false
}

// reconfigure makes a release of the live image with the environment of now.
func (w *worker) reconfigure(j *job) error {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return err
	}
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return err
	}
	live.Env, live.Cause, live.CreatedBy = app.Env, CauseConfig, j.snapshot().By
	r, err := w.createRelease(ctx, j, live)
	if err != nil {
		return err
	}
	j.journal.say("==> New environment: %s is %s with it", r.Name(), ReleaseName(app.Live))
	return w.bringUp(j, r)
}

// rollback brings an older release back. When it still runs and is well, that
// is the probe and the switch and nothing else.
func (w *worker) rollback(j *job) error {
	d := j.snapshot()
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	r, err := w.e.Store.Release(ctx, w.app, d.Target)
	if err != nil {
		return err
	}
	w.claim(r.Number)
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return err
	}
	if r.Number == app.Live {
		return alreadyLive(r)
	}
	if err := w.stillAcross(ctx, app, r, d); err != nil {
		return err
	}
	if d.Cause == CauseRollback && d.Note != "" {
		j.journal.say("==> Careful: %s", d.Note)
	}
	j.aim(r.Number, app.Idle())
	if alone, err := w.mustBeAlone(j, r); err != nil {
		return err
	} else if alone != nil {
		return w.replace(j, r, *alone)
	}
	if instances := w.e.runningInstances(w.app, r, app.Idle()); instances != nil && w.quickProbe(j, r, instances) {
		j.journal.say("==> %s still runs on %s and is well", r.Name(), app.Idle())
		if err := w.promote(j, r); !errors.Is(err, errAsleep) {
			return err
		}
	}
	if d.Cause == CauseWatch {
		return w.notWell(j, r)
	}
	return w.bringUp(j, r)
}

// start runs the release's instances on the idle color.
func (w *worker) start(j *job, r Release) ([]Instance, error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, err
	}
	j.aim(r.Number, app.Idle())
	if err := w.move(j, Starting, fmt.Sprintf("starting %s on %s", r.Name(), app.Idle())); err != nil {
		return nil, err
	}
	j.journal.say("==> Starting %s on %s (%s)", r.Name(), app.Idle(), count(r.Settings.Instances, "instance"))
	return w.startIdle(ctx, j, app, r)
	// If we die here: containers of a release that is neither live, previous
	// nor staged; recovery removes them by their labels.
}

// startIdle has the release's instances running on the idle color. It refuses
// what is live: to start that on the other color would take it away from its own.
// The caller holds place.
func (w *worker) startIdle(ctx context.Context, j *job, app App, r Release) ([]Instance, error) {
	if r.Number == app.Live {
		return nil, alreadyLive(r)
	}
	began := w.e.Now()
	instances, err := w.e.Runtime.Start(ctx, Spec{Release: r, Color: app.Idle()})
	j.start = w.e.Now().Sub(began)
	if errors.Is(err, ErrNotFound) {
		return nil, &Failure{Step: StepStart, Reason: fmt.Sprintf("the image of %s is not there any more", r.Name()), Hint: "push the commit again, or redeploy", Err: err}
	}
	if err != nil {
		if ctx.Err() != nil && j.ctx.Err() == nil {
			return nil, &Failure{Step: StepStart, Reason: fmt.Sprintf("not started after %s", engineTimeout), Hint: "look at the Engine's own log", Err: err}
		}
		return nil, err
	}
	w.e.observed(w.app, instances)
	return instances, nil
}

func alreadyLive(r Release) error {
	return &interruption{Canceled, fmt.Sprintf("%s is live already", r.Name())}
}

// move stores the deployment's next state and tells of it.
func (w *worker) move(j *job, s State, text string) error { return w.moveTelling(j, s, text, nil) }

// moveTelling is move with what people are told by mail; nil: nothing.
func (w *worker) moveTelling(j *job, s State, text string, alert *Alert) error {
	if j.ctx.Err() != nil && !s.Committed() && s != Staged {
		return context.Cause(j.ctx)
	}
	d := j.snapshot()
	if err := d.to(s, w.e.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.ctx), storeTimeout)
	defer cancel()
	d, err := w.e.Store.UpdateDeployment(ctx, d, text, alert)
	if err != nil {
		return fmt.Errorf("cannot store the deployment: %w", err)
	}
	j.set(d)
	w.e.told(Event{At: w.e.Now(), App: w.app, Deployment: d.ID, State: s, By: d.By, Text: text})
	return nil
}
