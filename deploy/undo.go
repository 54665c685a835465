package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// abandon ends a deployment left of the bar: what it started is taken away
// first, so that what people are told then is true.
func (w *worker) abandon(j *job, s State, note string, f *Failure) {
	d := j.snapshot()
	w.undo(d)
	w.e.finish(j, s, note, f)
}

// undo takes away what a deployment left of the bar has started. What it can't
// take away the keeper does later.
func (w *worker) undo(d Deployment) {
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
	if d.Release != app.Previous { // the previous one is the keeper's: it may still have its grace
		w.e.point(ctx, w.app)
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
	used := map[string]int{}
	for _, r := range releases {
		if !r.Gone {
			used[r.Image]++
		}
	}
	for _, r := range releases {
		if r.Number == number && !r.Gone {
			w.dropImage(ctx, r, used[r.Image] > 1)
		}
	}
}

// dropImage removes a release's image, unless another release shares it, and
// records that the release can't come back.
func (w *worker) dropImage(ctx context.Context, r Release, shared bool) {
	if !shared {
		if err := w.e.Builder.RemoveImage(ctx, w.app, r.Image); err != nil {
			w.e.Log.Warn("Cannot remove the image; trying again later", "app", w.app, "release", r.Number, "error", err)
			return
		}
	}
	// If we die here: the image is gone and the release does not say so; the
	// next round removes what is not there, which is no error, and says so.
	if err := w.e.Store.MarkGone(ctx, w.app, r.Number); err != nil {
		w.e.Log.Warn("Cannot record that the image is gone", "app", w.app, "release", r.Number, "error", err)
	}
}

// track makes the job of a stored deployment and starts keeping its log.
func (e *Engine) track(d Deployment, secrets *strings.Replacer) (*job, error) {
	j := newJob(context.Background(), d, newJournal(secrets, e.Now))
	err := e.spawn(func(ctx context.Context) {
		defer close(j.flushed)
		put := func(_ context.Context, lines []LogLine) error {
			ctx, done := cleanup()
			defer done()
			return e.Store.AppendLog(ctx, d.ID, lines)
		}
		stop := context.AfterFunc(ctx, func() { j.cancel(ErrStopping) })
		defer stop()
		if err := j.journal.flush(ctx, put); err != nil {
			e.Log.Warn("Cannot store the log", "app", d.App, "deployment", d.ID, "error", err)
		}
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.jobs[d.ID] = j
	e.mu.Unlock()
	return j, nil
}

// finish ends a deployment left of the bar: state, event and alert in one
// transaction, then whoever waits is told.
func (e *Engine) finish(j *job, s State, note string, f *Failure) {
	defer e.settle(j)
	ctx, done := cleanup()
	defer done()
	d := j.snapshot()
	from := d.State
	if err := d.to(s, e.Now()); err != nil {
		e.Log.Error("Cannot end the deployment", "app", d.App, "deployment", d.ID, "error", err)
		return
	}
	d.Note, d.Failure = note, f
	text := fmt.Sprintf("%s: %s", s, note)
	var alert *Alert
	if f != nil {
		text = f.Error()
		f.Log = redactAll(j.journal.secrets, f.Log)
		f.Reason, f.Hint = j.journal.secrets.Replace(f.Reason), j.journal.secrets.Replace(f.Hint)
		alert = e.alert(ctx, d)
	}
	j.journal.say("==> %s", capitalize(text))
	stored, err := e.Store.UpdateDeployment(ctx, d, text, alert)
	if err != nil {
		// The record stays behind; the next start ends it as interrupted. Those
		// who wait are told the truth all the same.
		e.Log.Error("Cannot store the end of the deployment", "app", d.App, "deployment", d.ID, "state", from, "error", err)
		j.set(d)
		return
	}
	j.set(stored)
	e.told(Event{At: e.Now(), App: d.App, Deployment: d.ID, State: s, By: d.By, Text: text})
}

// settle lets go of a job: its log ends, and those who wait go on.
func (e *Engine) settle(j *job) {
	j.journal.close()
	pauseUntil(j.flushed, 5*time.Second)
	close(j.settled)
	j.cancel(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	if id := j.snapshot().ID; e.jobs[id] == j {
		delete(e.jobs, id)
	}
}

// alert gathers everything that people are told of a failed deployment.
func (e *Engine) alert(ctx context.Context, d Deployment) *Alert {
	app, err := e.Store.App(ctx, d.App)
	if err != nil {
		e.Log.Error("Cannot read the app for its alert", "app", d.App, "error", err)
	}
	kind := "deploy"
	if d.Cause == CausePatch {
		kind = "patch"
	}
	return &Alert{
		Episode: fmt.Sprintf("%s/%s/%s/%d@%d", d.App, kind, d.Push.Commit.ID, app.Live, app.ReplacedAt.Unix()),
		App:     d.App, Deployment: d.ID, Cause: d.Cause, Pusher: d.By,
		Commit: d.Push.Commit, Ref: d.Push.Ref, Failure: *d.Failure,
		Serving: app.Active, ServingV: app.Live, ServingSince: app.ReplacedAt, At: e.Now(),
	}
}

// pauseUntil waits for c, but no longer than d.
func pauseUntil(c <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// pauseRunning waits for d and tells whether the engine still runs then.
func (e *Engine) pauseRunning(d time.Duration) bool {
	e.mu.Lock()
	ctx := e.running
	e.mu.Unlock()
	if ctx == nil {
		return false
	}
	pause(ctx, d)
	return ctx.Err() == nil
}
