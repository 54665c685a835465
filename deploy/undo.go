package deploy

import "context"

// abandon ends a deployment left of the bar: what it started is taken away
// first, so that what people are told then is true.
func (w *worker) abandon(j *job, s State, note string, f *Failure) {
	d := j.snapshot()
	w.undo(j, d)
	w.e.finish(j, s, note, f)
}

// undo takes away what a deployment left of the bar has started, and brings back
// what it had stopped. What it can't do the keeper does later. The job may be nil.
func (w *worker) undo(j *job, d Deployment) {
	if d.Release == 0 {
		return
	}
	w.place.Lock()
	defer w.place.Unlock()
	ctx, done := cleanup()
	defer done()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil || d.Release == app.Live {
		return // never what serves
	}
	if app.Staged == d.Release {
		if err := w.e.Store.Stage(ctx, w.app, 0); err != nil {
			return
		}
	}
	if w.replacingWith(d.Release) {
		w.turnBack(ctx, j, app, d.Release) // first: requests wait
	}
	w.unshare(d.Release)
	if d.Release != app.Previous { // the previous one is the keeper's: it may still have its grace
		app.Staged = 0
		w.e.pointTo(app) // the preview shows it no more
		if removed := w.remove(ctx, d.Release); removed && d.Cause != CauseRollback {
			w.discard(ctx, d.Release)
		}
	}
	w.e.point(ctx, w.app)
}

// remove takes a release's instances away and tells whether they are. The
// caller holds place and has made sure that the release does not serve.
func (w *worker) remove(ctx context.Context, release int) bool {
	w.e.Router.Release(ctx, w.app, release)
	if err := w.e.Runtime.Remove(ctx, w.app, release); err != nil {
		w.e.Log.Warn("Cannot remove the instances; trying again later", "app", w.app, "release", release, "error", err)
		return false
	}
	w.e.forget(w.app, release)
	return true
}

// discard gives up a release that was never live: its image is of no use.
func (w *worker) discard(ctx context.Context, number int) {
	releases, err := w.e.Store.Releases(ctx, w.app)
	if err != nil {
		return
	}
	for _, r := range releases {
		if r.Number == number && !r.Gone {
			_ = w.dropImage(ctx, r, sharing(releases, r.Image) > 1) // it has said so, and retention does it later
		}
	}
}

// dropImage removes a release's image, unless another release shares it, and
// records that the release can't come back. What it can't do is in the log, and
// done in a later round. The caller holds place.
func (w *worker) dropImage(ctx context.Context, r Release, shared bool) error {
	if !shared {
		if err := w.e.Builder.RemoveImage(ctx, w.app, r.Image); err != nil {
			w.e.Log.Warn("Cannot remove the image; trying again later", "app", w.app, "release", r.Number, "error", err)
			return err
		}
	}
	// If we die here: the image is gone and the release does not say so; the
	// next round removes what is not there, which is no error, and says so.
	if err := w.e.Store.MarkGone(ctx, w.app, r.Number); err != nil {
		w.e.Log.Warn("Cannot record that the image is gone", "app", w.app, "release", r.Number, "error", err)
		return err
	}
	return nil
}
