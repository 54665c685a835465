package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// recover is what Run does first. The routes come before anything else, from
// what the store says and the Engine runs; then the keeper looks after every
// app, in the way that it does on any other day.
func (e *Engine) recover(ctx context.Context) error {
	apps, err := e.Store.Apps(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the apps: %w", err)
	}
	if err := e.observeAtStart(ctx); err != nil {
		return err
	}
	for _, app := range apps {
		w := e.worker(app.Name)
		w.place.Lock()
		e.point(ctx, app.Name)
		w.place.Unlock()
	}
	e.removeUnknown(ctx, apps)
	e.endOpenCrons(ctx)
	for _, app := range apps {
		e.tend(app.Name)
	}
	return nil
}

// observeAtStart asks the Engine what runs. One that is away is no reason not
// to start: the console and the store work, and the keepers go on asking.
func (e *Engine) observeAtStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := e.observeAll(ctx)
	if err == nil || errors.Is(err, ErrEngineAway) || errors.Is(err, context.DeadlineExceeded) {
		if err != nil {
			e.Log.Error("The container engine does not answer; apps are routed when it does", "error", err)
		}
		return nil
	}
	return err
}

// removeUnknown removes instances of apps that the store does not have: the
// daemon died while it destroyed them.
func (e *Engine) removeUnknown(ctx context.Context, apps []App) {
	has := map[AppName]bool{}
	for _, app := range apps {
		has[app.Name] = true
	}
	e.mu.Lock()
	strays := map[AppName][]int{}
	for name, instances := range e.known {
		if !has[name] {
			strays[name] = releasesOf(instances)
		}
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	for name, releases := range strays {
		e.forgetApp(name)
		for _, release := range releases {
			if err := e.Runtime.Remove(ctx, name, release); err != nil {
				e.Log.Warn("Cannot remove instances of an app that is gone", "app", name, "release", release, "error", err)
			}
		}
		if err := e.Bench.Forget(ctx, name); err != nil {
			e.Log.Warn("Cannot remove what an app that is gone left", "app", name, "error", err)
		}
	}
}

// settleOrphans brings deployments to an end that no job is busy with: the
// daemon died in them, or their end could not be stored.
func (w *worker) settleOrphans(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	orphans, err := w.orphans(ctx)
	errs := []error{err}
	for _, end := range w.e.owing(w.app) {
		errs = append(errs, w.pay(ctx, end))
	}
	for _, d := range orphans {
		if d.State.Committed() {
			errs = append(errs, w.goForward(ctx, d))
		} else {
			errs = append(errs, w.goBack(ctx, d))
		}
	}
	return errors.Join(errs...)
}

// orphans lists them. A deployment is stored and gets its job with mu held, so
// with mu held one without a job is an orphan. A release that is staged and
// that no deployment speaks for is taken off the stage by the way.
func (w *worker) orphans(ctx context.Context) ([]Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	// The jobs first: one that settles while the store is being read has its end
	// stored by then, but maybe not yet in what is read.
	busy := w.e.busyWith()
	open, err := w.e.Store.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the open deployments: %w", err)
	}
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	var out []Deployment
	spoken := app.Staged == 0
	for _, d := range open {
		if d.App != w.app {
			continue
		}
		_, owed := w.e.owes(d.ID)
		unstaged := d.State == Staged && app.Staged != d.Release
		switch {
		case owed && !busy[d.ID]: // its end is known, and being stored
		case !busy[d.ID] && (d.State.Running() || unstaged):
			out = append(out, d)
		case d.Release == app.Staged && !d.State.Committed():
			spoken = true
		}
	}
	if !spoken {
		err = w.e.Store.Stage(ctx, w.app, 0)
	}
	return out, err
}

// busyWith gives the deployments that have a job.
func (e *Engine) busyWith() map[DeploymentID]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	busy := make(map[DeploymentID]bool, len(e.jobs))
	for id := range e.jobs {
		busy[id] = true
	}
	return busy
}

// goForward completes a deployment beyond the bar: its ref is moved, and it is
// live. There is nothing to drain: the router that knew of requests is gone.
func (w *worker) goForward(ctx context.Context, d Deployment) error {
	if d.Cause == CausePush {
		if done, err := w.followIfServing(ctx, d); !done {
			return ignoreNotFound(err)
		}
	}
	text := fmt.Sprintf("%s is live (Teal was restarted during the switch)", ReleaseName(d.Release))
	err := w.e.step(ctx, d, Live, text, w.wentBack(ctx, d))
	if errors.Is(err, ErrConflict) {
		return nil // something newer was promoted, and its record says the rest
	}
	return err
}

// pay stores an end that people were told when the store did not take it. What
// the deployment had started was taken away then.
func (w *worker) pay(ctx context.Context, end ending) error {
	_, err := w.e.storeEnd(ctx, end)
	if err = ignoreNotFound(err); err == nil {
		w.e.paid(end.d.ID)
	}
	return err
}

// goBack undoes a deployment left of the bar, and ends it as interrupted.
func (w *worker) goBack(ctx context.Context, d Deployment) error {
	if !w.protected()[d.Release] { // another deployment may be about the same release by now
		w.undo(nil, d)
	}
	end, err := w.interruptedEnd(ctx, d)
	if err != nil {
		return err
	}
	_, err = w.e.storeEnd(ctx, end)
	return ignoreNotFound(err)
}

// interruptedEnd is the end of a deployment that nobody knows more about.
func (w *worker) interruptedEnd(ctx context.Context, d Deployment) (ending, error) {
	if d.State == Staged { // it was taken off the stage: that was no failure
		err := d.to(Canceled, w.e.Now())
		d.Note = "taken off the preview"
		return ending{d: d, text: "canceled: " + d.Note}, err
	}
	f := interrupted(d.State)
	if err := d.to(Failed, w.e.Now()); err != nil {
		return ending{}, err
	}
	d.Failure = f.classed()
	return ending{d: d, text: f.Error(), alert: w.e.alert(ctx, d)}, nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
