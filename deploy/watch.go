package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The watch looks at a release for some minutes after it was promoted, while the
// one that it replaced still runs. When errors or latency are significantly
// worse than those of the old release in the ten minutes before the switch
// (judge.go), it goes back by an ordinary rollback deployment, with a mail that
// shows the figures.
//
// It does not begin without a baseline, for a release that was brought back (by
// a person or by a watch: nothing swings to and fro), nor when the old one was
// stopped at once. It ends with the next promotion, when the old one no longer
// runs, and with the process: the figures are memory, and a watch that
// lost them has nothing to say. If we die while it lasts, the new release
// stays, as any other does; if we die after its rollback was committed, the
// next start completes that one, and its mail.

const (
	paceDefault = 5 * time.Second
	recentLooks = 12 // looks at a release that make "recent": a minute
	// The baseline is made of a look each half minute, of ten minutes.
	pastEvery = 6
	pastKept  = 20
)

// remember notes the figures of every app's live release; Run calls it again
// and again.
func (e *Engine) remember() {
	e.mu.Lock()
	workers := make([]*worker, 0, len(e.apps))
	for _, w := range e.apps {
		workers = append(workers, w)
	}
	e.mu.Unlock()
	for _, w := range workers {
		w.remember(e.Now())
	}
}

func (w *worker) remember(now time.Time) {
	w.traffic.mu.Lock()
	live := w.traffic.live
	w.traffic.mu.Unlock()
	if live == 0 {
		return
	}
	f := w.e.Router.Figures(w.app, live)
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	past := w.traffic.past
	if len(past) > 0 && past[0].release != live {
		past = nil
	}
	if len(past) >= pastKept {
		past = append(past[:0], past[len(past)-pastKept+1:]...)
	}
	w.traffic.past = append(past, pastFigures{live, now, f})
}

// baseline is what the release answered in the last minutes, with the worst
// latency that it had in them.
func (w *worker) baseline(release int, now Figures) Sample {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	var from Figures // the router knows it for less than a look, or than the process is old
	for i, p := range w.traffic.past {
		if p.release != release {
			continue
		}
		if i == 0 && len(w.traffic.past) == pastKept {
			from = p.figures
		}
		now.P50, now.P99 = max(now.P50, p.figures.P50), max(now.P99, p.figures.P99)
	}
	return since(release, from, now)
}

// vigil is one watch.
type vigil struct {
	w        *worker
	d        Deployment // that was promoted
	lasts    time.Duration
	from     Figures // of the new release at the switch
	base     Sample  // of the old one before it
	began    time.Time
	recent   []Figures // of the new one, the last looks
	slowFor  int       // looks in a row at which it was slow
	previous Release
}

// keepWatch begins the watch of a switch, if there is to be one.
func (w *worker) keepWatch(j *job, r Release, h handover) {
	if r.Settings.Watch <= 0 || h.old == 0 || h.alone || j.snapshot().Cause.GoesBack() || h.base.Requests < judgedRequests {
		return
	}
	ctx, done := cleanup()
	defer done()
	previous, err := w.e.Store.Release(ctx, w.app, h.old)
	if err != nil {
		w.e.Log.Warn("Cannot watch the new release", "app", w.app, "release", r.Number, "error", err)
		return
	}
	v := &vigil{w: w, d: j.snapshot(), lasts: r.Settings.Watch, from: h.beforeNew, base: h.base, began: h.at, previous: previous}
	w.watches(r.Number)
	w.switches.Add(1)
	err = w.e.spawn(func(ctx context.Context) {
		defer w.switches.Done()
		defer w.e.tend(w.app) // its grace may be over
		defer w.unwatch(r.Number)
		ctx, cancel := context.WithTimeout(ctx, v.lasts)
		defer cancel()
		defer context.AfterFunc(w.lifetime(), cancel)()
		v.keep(ctx)
	})
	if err != nil {
		w.unwatch(r.Number)
		w.switches.Done()
		return
	}
	j.journal.say("==> Watching %s for %s: if it does worse than %s did, Teal goes back", r.Name(), v.lasts, previous.Name())
}

func (w *worker) watches(release int) {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.watched = release
}

func (w *worker) unwatch(release int) {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	if w.traffic.watched == release {
		w.traffic.watched = 0
	}
}

// isWatched tells whether a watch may still go back from the release: what it
// replaced runs on then, whatever its grace. The end of the watch has the app
// looked after.
func (w *worker) isWatched(release int) bool {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	return release != 0 && w.traffic.watched == release
}

// keep looks until the time is over, the watch has lost its point, or a
// regression was found.
func (v *vigil) keep(ctx context.Context) {
	for {
		pause(ctx, v.w.e.Pace)
		if !v.goesOn() {
			return
		}
		found := v.look()
		if found != nil {
			v.goBack(found)
			return
		}
		if ctx.Err() != nil {
			break
		}
	}
	if !v.w.isOver() {
		now := since(v.d.Release, v.from, v.w.e.Router.Figures(v.w.app, v.d.Release))
		v.w.tell(ctx, v.d, fmt.Sprintf("%s did well for %s: %s (%s before: %s)", ReleaseName(v.d.Release), v.lasts, now, ReleaseName(v.base.Release), v.base))
	}
}

// goesOn tells whether both still stand as at the switch.
func (v *vigil) goesOn() bool {
	v.w.traffic.mu.Lock()
	live := v.w.traffic.live
	v.w.traffic.mu.Unlock()
	return live == v.d.Release && v.w.e.runningInstances(v.w.app, v.previous, v.d.Color.Other()) != nil
}

// isOver tells whether the engine stops or the app is being destroyed.
func (w *worker) isOver() bool {
	w.mu.Lock()
	gone := w.gone
	w.mu.Unlock()
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return gone || w.e.running == nil || w.e.running.Err() != nil
}

// look compares: all since the switch, for an app with few requests, and the
// last minute, for one that was well at first.
func (v *vigil) look() *Regression {
	f := v.w.e.Router.Figures(v.w.app, v.d.Release)
	from := v.from
	if len(v.recent) >= recentLooks {
		from = v.recent[len(v.recent)-recentLooks]
		v.recent = v.recent[1:]
	}
	v.recent = append(v.recent, f)
	all, recent := since(v.d.Release, v.from, f), since(v.d.Release, from, f)
	found := Regression{New: recent, Old: v.base, Share: 100, After: v.w.e.Now().Sub(v.began)}
	if recent.drags(v.base) {
		v.slowFor++
	} else {
		v.slowFor = 0
	}
	switch {
	case all.fails(v.base):
		found.New = all
	case recent.fails(v.base):
	case v.slowFor > recentLooks:
		found.Slow = true
	default:
		return nil
	}
	return &found
}

// goBack asks for the rollback. It takes the place of what is under way, as a
// person's does: production goes first.
func (v *vigil) goBack(found *Regression) {
	w := v.w
	w.e.Log.Warn("The new release is worse than the old one; going back", "app", w.app, "deployment", v.d.ID, "release", v.d.Release,
		"color", v.d.Color, "reason", found.Reason())
	ctx, done := cleanup()
	defer done()
	if v.d.Cause == CausePatch {
		w.e.noteRegression(w.app)
	}
	if v.staysAcross(ctx, found) {
		return
	}
	w.tell(ctx, v.d, fmt.Sprintf("%s; going back to %s", found.Reason(), v.previous.Name()))
	c := v.previous.Commit
	d := Deployment{
		App: w.app, Cause: CauseWatch, Target: v.previous.Number, Push: Push{App: w.app, New: c.ID, Commit: c},
		Note: found.Reason(), State: Queued, CreatedAt: w.e.Now(),
	}
	if _, err := w.enqueueFor(ctx, d, found); err != nil && !errors.Is(err, ErrStopping) {
		w.e.Log.Error("Cannot go back", "app", w.app, "release", v.d.Release, "error", err)
	}
}

// notWell ends a rollback of the watch when the old release is no better.
func (w *worker) notWell(j *job, r Release) error {
	live := ReleaseName(j.why.New.Release)
	return &Failure{
		Step: StepWatch, Reason: fmt.Sprintf("%s, and %s is not well either", j.why.Reason(), r.Name()), Regression: j.why,
		Hint: fmt.Sprintf("%s goes on serving; look at what both need: the database, another app, the network", live),
	}
}

// wentBack is what people are told when the watch has gone back; nil for any
// other deployment. It is made of what is stored, so that a mail that a dead
// process owed is the same one.
func (w *worker) wentBack(ctx context.Context, d Deployment) *Alert {
	if d.Cause != CauseWatch || !d.State.Committed() || d.Receipt == nil || d.Receipt.Regression == nil {
		return nil
	}
	found := d.Receipt.Regression
	a := &Alert{
		Episode: fmt.Sprintf("%s/watch/%d/%d", d.App, found.New.Release, d.ID),
		App:     d.App, Deployment: d.ID, Cause: d.Cause, At: d.PromotedAt,
		Failure: Failure{
			Step: StepWatch, Reason: found.Reason(), Regression: found,
			Hint: fmt.Sprintf("Security patches wait until the next push. %s is kept.", ReleaseName(found.New.Release)),
		},
		Serving: d.Color, ServingV: d.Release, ServingSince: d.PromotedAt,
	}
	if bad, err := w.e.Store.Release(ctx, w.app, found.New.Release); err == nil {
		a.Commit, a.Pusher = bad.Commit, bad.CreatedBy
	}
	return a
}
