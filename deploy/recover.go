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
	for name, releases := range strays {
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
	orphans, err := w.orphans(ctx)
	if err != nil {
		return err
	}
	for _, d := range orphans {
		if d.State.Committed() {
			err = w.goForward(ctx, d)
		} else {
			err = w.goBack(ctx, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// orphans lists them. A deployment is stored and gets its job with mu held, so
// with mu held one without a job is an orphan.
func (w *worker) orphans(ctx context.Context) ([]Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	open, err := w.e.Store.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the open deployments: %w", err)
	}
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	var out []Deployment
	for _, d := range open {
		unstaged := d.State == Staged && app.Staged != d.Release
		if d.App == w.app && (d.State.Running() || unstaged) && !w.e.busyWith(d.ID) {
			out = append(out, d)
		}
	}
	return out, nil
}

func (e *Engine) busyWith(id DeploymentID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.jobs[id] != nil
}

// goForward completes a deployment beyond the bar: its ref is moved, and it is
// live. There is nothing to drain: the router that knew of requests is gone.
func (w *worker) goForward(ctx context.Context, d Deployment) error {
	if d.Cause == CausePush {
		if err := w.e.Repositories.Advance(ctx, d.Push); err != nil {
			return fmt.Errorf("cannot move %s of deployment %d: %w", d.Push.Ref, d.ID, err)
		}
	}
	return w.e.step(ctx, d, Live, fmt.Sprintf("%s is live (Teal was restarted during the switch)", ReleaseName(d.Release)))
}

// goBack undoes a deployment left of the bar and ends it as interrupted.
func (w *worker) goBack(ctx context.Context, d Deployment) error {
	w.undo(d)
	f := interrupted(d.State)
	if err := d.to(Failed, w.e.Now()); err != nil {
		return err
	}
	d.Failure = f
	if _, err := w.e.Store.UpdateDeployment(ctx, d, f.Error(), w.e.alert(ctx, d)); err != nil {
		return fmt.Errorf("cannot end deployment %d: %w", d.ID, err)
	}
	w.e.told(Event{At: w.e.Now(), App: d.App, Deployment: d.ID, State: Failed, By: d.By, Text: f.Error()})
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
