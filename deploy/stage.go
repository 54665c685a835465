package deploy

import (
	"context"
	"errors"
	"fmt"
)

// A staged release was probed and waits on the preview until someone promotes
// or cancels it, or something newer takes its place. Its deployment has no job
// meanwhile; each of these makes a new one.

// stage leaves a probed release on the preview front-end, for promote.
func (w *worker) stage(j *job, r Release) error {
	if err := w.putOnStage(j, r); err != nil {
		return err
	}
	w.e.settle(j)
	return nil
}

func (w *worker) putOnStage(j *job, r Release) error {
	if err := j.pass(); err != nil {
		return err
	}
	w.place.Lock()
	defer w.place.Unlock()
	ctx, done := cleanup()
	defer done()
	if err := w.e.Store.Stage(ctx, w.app, r.Number); err != nil {
		return fmt.Errorf("cannot store the staged release: %w", err)
	}
	// If we die here: the app has a staged release whose deployment is still
	// probing. Recovery ends the deployment and takes the release off the stage.
	if err := w.move(j, Staged, fmt.Sprintf("%s waits on the preview", r.Name())); err != nil {
		return err
	}
	j.journal.say("==> %s is on the preview, not promoted", r.Name())
	w.e.point(ctx, w.app)
	return nil
}

// promoteStaged takes up a staged deployment: what was well yesterday is
// probed again before it serves.
func (w *worker) promoteStaged(j *job) error {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	r, err := w.e.Store.Release(ctx, w.app, j.snapshot().Release)
	if err != nil {
		return err
	}
	w.claim(r.Number)
	if err := w.stageable(j, r); err != nil {
		return err
	}
	instances, err := w.ensure(j, r)
	if err != nil {
		return err
	}
	if err := w.probe(j, r, instances); err != nil {
		return err
	}
	if err := w.shift(j, r); err != nil {
		return err
	}
	if err := w.startWorkers(j, r); err != nil {
		return err
	}
	return w.promote(j, r)
}

// ensure has the staged release running, wherever it was left.
func (w *worker) ensure(j *job, r Release) ([]Instance, error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, err
	}
	return w.startIdle(ctx, j, app, r)
}

// resume takes the staged deployment up again, to promote it.
func (w *worker) resume(ctx context.Context, by string) (Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return Deployment{}, fmt.Errorf("app %s: %w", w.app, ErrNotFound)
	}
	if w.busy() {
		return Deployment{}, fmt.Errorf("%w: a deployment of %s is under way; wait for it or cancel it", ErrBusy, w.app)
	}
	j, err := w.reopen(ctx, 0)
	if err != nil {
		return Deployment{}, err
	}
	if d := j.snapshot(); by != "" && by != d.By {
		d.Note = fmt.Sprintf("promoted by %s", by) // stored with the next move
		j.set(d)
	}
	if err := w.put(j); err != nil {
		w.e.settle(j)
		return Deployment{}, err
	}
	return j.snapshot(), nil
}

// reopen gives the staged deployment a new job: the one of its push has settled.
// ErrNothing when none is staged, or another one than id (0: any).
func (w *worker) reopen(ctx context.Context, id DeploymentID) (*job, error) {
	open, err := w.e.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range open {
		if d.App != w.app || d.State != Staged || id != 0 && d.ID != id {
			continue
		}
		r, err := w.e.Store.Release(ctx, w.app, d.Release)
		if err != nil {
			return nil, err
		}
		return w.e.track(d, d.Version*linesPerJob, r.Env)
	}
	return nil, fmt.Errorf("%w: no release of %s is staged", ErrNothing, w.app)
}

// cancelStaged has the worker take the staged release away: that of the
// deployment, or whichever it is (0).
func (w *worker) cancelStaged(ctx context.Context, id DeploymentID, why *interruption) (Deployment, error) {
	if id != 0 {
		d, err := w.e.Store.Deployment(ctx, id)
		if err == nil && (d.App != w.app || d.State != Staged) {
			err = fmt.Errorf("%w: deployment %d of %s is over", ErrNothing, id, w.app)
		}
		if err != nil {
			return Deployment{}, err
		}
	}
	j, err := w.resumeToEnd(ctx, id, why)
	switch {
	case errors.Is(err, ErrNothing):
		return Deployment{}, fmt.Errorf("%w: nothing is under way for %s", ErrNothing, w.app)
	case err != nil:
		return Deployment{}, err
	}
	return j.await(ctx)
}

// resumeToEnd takes the staged deployment up again, to end it.
func (w *worker) resumeToEnd(ctx context.Context, id DeploymentID, why *interruption) (*job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy() {
		return nil, fmt.Errorf("%w: something new is under way for %s", ErrBusy, w.app)
	}
	j, err := w.reopen(ctx, id)
	if err != nil {
		return nil, err
	}
	j.giveUp = why
	if err := w.put(j); err != nil {
		w.e.settle(j)
		return nil, err
	}
	return j, nil
}

// unstage ends a staged deployment because another one begins.
func (w *worker) unstage(by Deployment) {
	ctx, done := cleanup()
	defer done()
	if app, err := w.e.Store.App(ctx, w.app); err != nil || app.Staged == 0 {
		return
	}
	j, err := w.reopen(ctx, 0)
	if err != nil {
		w.e.Log.Error("Cannot end the staged deployment", "app", w.app, "error", err)
		return
	}
	w.abandon(j, Superseded, "superseded by "+describe(by), nil)
}
