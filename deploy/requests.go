package deploy

import (
	"context"
	"fmt"
)

// Receive accepts a push whose objects are stored. It returns the queued
// deployment, or ErrStopping, or ErrNotFound when the app is unknown.
func (e *Engine) Receive(ctx context.Context, p Push) (Deployment, error) {
	return e.submit(ctx, Deployment{App: p.App, Cause: CausePush, Push: p, By: p.By})
}

// Rollback brings a release back: 0 means the previous one ("restart
// previous"). It cancels what is under way left of the bar. ErrNothing when
// there is no such release to go back to, with the reason in the text.
func (e *Engine) Rollback(ctx context.Context, app AppName, release int, by string) (Deployment, error) {
	return e.rollback(ctx, app, release, by, false)
}

// RollbackAcross is Rollback by someone who knows of the migration in between.
func (e *Engine) RollbackAcross(ctx context.Context, app AppName, release int, by string) (Deployment, error) {
	return e.rollback(ctx, app, release, by, true)
}

func (e *Engine) rollback(ctx context.Context, app AppName, release int, by string, across bool) (Deployment, error) {
	a, err := e.appReady(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	if release == 0 {
		release = a.Previous
	}
	switch {
	case release == 0:
		return Deployment{}, fmt.Errorf("%w: %s has no previous release to go back to", ErrNothing, app)
	case release == a.Live:
		return Deployment{}, fmt.Errorf("%w: %s is what serves %s now", ErrNothing, ReleaseName(release), app)
	case release == a.Staged:
		return Deployment{}, fmt.Errorf("%w: %s of %s is staged, not one to go back to; use promote", ErrNothing, ReleaseName(release), app)
	}
	r, err := e.Store.Release(ctx, app, release)
	if err != nil {
		return Deployment{}, fmt.Errorf("release %s of %s: %w", ReleaseName(release), app, err)
	}
	if r.Gone {
		return Deployment{}, fmt.Errorf("%w: the image of %s was removed (the newest %d are kept); push its commit %s again", ErrNothing, r.Name(), r.Settings.Keep, r.Commit.Short())
	}
	note, err := e.acrossMigration(ctx, a, r, across)
	if err != nil {
		return Deployment{}, err
	}
	return e.submit(ctx, Deployment{App: app, Cause: CauseRollback, Target: release, Push: Push{App: app, New: r.Commit.ID, Commit: r.Commit}, By: by, Note: note})
}

// Redeploy builds the live commit again and deploys it; ErrNothing when nothing is live.
func (e *Engine) Redeploy(ctx context.Context, app AppName, o Options, by string) (Deployment, error) {
	return e.again(ctx, app, Deployment{Cause: CauseRedeploy, Push: Push{Options: o}, By: by})
}

// Reconfigure deploys the live image with the app's environment of now, without
// a build; ErrNothing when nothing is live (the next push takes it along). It
// does not displace what is under way: it queues behind it, or, when something
// is queued already, that one takes the environment along and is returned.
func (e *Engine) Reconfigure(ctx context.Context, app AppName, by string) (Deployment, error) {
	return e.again(ctx, app, Deployment{Cause: CauseConfig, By: by})
}

// again submits a deployment of the commit that is live now.
func (e *Engine) again(ctx context.Context, app AppName, d Deployment) (Deployment, error) {
	a, err := e.appReady(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	if a.Live == 0 {
		return Deployment{}, fmt.Errorf("%w: nothing of %s is live yet; push to deploy it", ErrNothing, app)
	}
	r, err := e.Store.Release(ctx, app, a.Live)
	if err != nil {
		return Deployment{}, err
	}
	d.App, d.Target = app, a.Live
	d.Push.App, d.Push.New, d.Push.Commit = app, r.Commit.ID, r.Commit
	return e.submit(ctx, d)
}

// Promote makes the staged release live; a promotion that is gradual and under
// way is completed at once. ErrNothing when there is neither.
func (e *Engine) Promote(ctx context.Context, app AppName, by string) (Deployment, error) {
	a, err := e.appReady(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	if d, ok := e.worker(app).hasten(by); ok {
		return d, nil
	}
	if a.Staged == 0 {
		return Deployment{}, fmt.Errorf("%w: no release of %s is staged; push with -o no-promote to stage one", ErrNothing, app)
	}
	return e.worker(app).resume(ctx, by)
}

// Cancel ends the app's deployment with that ID (0: whatever is under way or
// staged) when it is left of the bar, and returns when it really stopped;
// ErrNothing when there is nothing to end. One that is over may have been
// followed by a newer one, which goes on.
func (e *Engine) Cancel(ctx context.Context, app AppName, id DeploymentID, by string) (Deployment, error) {
	if _, err := e.appReady(ctx, app); err != nil {
		return Deployment{}, err
	}
	return e.worker(app).cancel(ctx, id, by)
}

func (e *Engine) submit(ctx context.Context, d Deployment) (Deployment, error) {
	if _, err := e.appReady(ctx, d.App); err != nil {
		return Deployment{}, err
	}
	d.State, d.CreatedAt = Queued, e.Now()
	return e.worker(d.App).enqueue(ctx, d)
}

func (e *Engine) appReady(ctx context.Context, app AppName) (App, error) {
	if err := e.waitReady(ctx); err != nil {
		return App{}, err
	}
	a, err := e.Store.App(ctx, app)
	if err != nil {
		return App{}, fmt.Errorf("app %s: %w", app, err)
	}
	return a, nil
}
