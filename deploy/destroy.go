package deploy

import (
	"context"
	"errors"
	"fmt"
)

// Destroy removes the app: its route, instances, images, repository, record.
// The record goes last, so that a destruction that broke off can be repeated.
func (e *Engine) Destroy(ctx context.Context, app AppName, by string) error {
	if _, err := e.appReady(ctx, app); err != nil {
		return err
	}
	w := e.worker(app)
	defer w.reopenForWork() // it may be tried again, or made anew
	if err := w.close(ctx, by); err != nil {
		return fmt.Errorf("cannot destroy %s: %w", app, err)
	}
	// Who asked may go away; what has begun is carried on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTimeout)
	defer cancel()
	if err := w.destroy(ctx); err != nil {
		return fmt.Errorf("cannot destroy %s: %w", app, err)
	}
	e.Log.Info("App destroyed", "app", app, "by", by)
	return nil
}

// close ends what is under way and accepts nothing more.
func (w *worker) close(ctx context.Context, by string) error {
	why := &interruption{Canceled, fmt.Sprintf("%s destroyed the app", by)}
	w.mu.Lock()
	w.gone = true
	w.dropNext(why)
	current := w.current
	if w.keeper.timer != nil {
		w.keeper.timer.Stop()
	}
	w.mu.Unlock()
	if current != nil {
		current.interrupt(why)
		if err := current.leave(ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.endLife()
	w.crons.release = 0 // an app that is made anew has the old numbers
	w.mu.Unlock()
	w.switches.Wait() // not for long: with life over nothing is waited for
	return nil
}

// reopenForWork lets the worker accept deployments again.
func (w *worker) reopenForWork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = false
	w.forgetTraffic() // the releases of an app that is made anew have the old numbers
	if w.life.Err() != nil {
		w.life, w.endLife = context.WithCancel(context.Background())
	}
}

// destroy takes everything away. Each step may be done again.
func (w *worker) destroy(ctx context.Context) error {
	w.place.Lock()
	defer w.place.Unlock()
	if err := w.e.observe(ctx, w.app); err != nil {
		return err
	}
	releases, err := w.e.Store.Releases(ctx, w.app)
	if err != nil {
		return err
	}
	w.e.Router.Remove(w.app)
	for _, release := range releasesOf(w.e.instances(w.app)) {
		w.e.Router.Release(ctx, w.app, release)
		if err := w.e.Runtime.Remove(ctx, w.app, release); err != nil {
			return err
		}
	}
	for _, r := range releases {
		if r.Gone {
			continue
		}
		err := w.e.Builder.RemoveImage(ctx, w.app, r.Image)
		for tries := 0; errors.Is(err, ErrBusy) && tries < 10; tries++ {
			pause(ctx, w.e.Retry/5) // its packages are being read, from a container that goes in a moment
			err = w.e.Builder.RemoveImage(ctx, w.app, r.Image)
		}
		if errors.Is(err, ErrBusy) { // of a container that is not ours: no reason to keep the app
			w.e.Log.Warn("An image stays: a container uses it", "app", w.app, "release", r.Number, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := w.e.Bench.Forget(ctx, w.app); err != nil {
		return err
	}
	if err := w.e.Repositories.Forget(ctx, w.app); err != nil {
		return err
	}
	w.e.forgetApp(w.app)
	return ignoreNotFound(w.e.Store.DeleteApp(ctx, w.app))
}
