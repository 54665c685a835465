package deploy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// keeper makes an app's instances, route and records what the store says they
// are: after each deployment, at start, when the Engine tells of a change, and
// when a grace period ends. It is the recovery too: a daemon that died left
// nothing that the keeper would not find on an ordinary day. Fields are guarded
// by worker.mu.
type keeper struct {
	running  bool        // a goroutine is at it
	again    bool        // it shall look once more
	timer    *time.Timer // the next look that is due by time
	failures int         // looks in a row that failed

	// Used by the keeper's goroutine only.
	web, workers repairs
}

// repairs are the times that the live release was started again: at once when
// it ended for the first time, then with growing pauses.
type repairs struct {
	release int
	n       int // in a row
	at      time.Time
}

// Pauses between looks that failed, and between repairs.
const (
	repairFirst = time.Second
	repairMost  = 30 * time.Second
	// wellAfter is how long a release that was started again must run for the
	// next repair to be a first one.
	wellAfter = 2 * time.Minute
)

// backOff is the pause after n tries in a row.
func backOff(n int) time.Duration { return min(repairFirst<<min(n-1, 10), repairMost) }

// tend has the keeper look after the app, soon, in its own goroutine. Calls
// while it is at it are merged into one more look.
func (e *Engine) tend(app AppName) {
	w := e.worker(app)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keeper.running {
		w.keeper.again = true
		return
	}
	if w.gone || e.spawn(w.tend) != nil {
		return
	}
	w.keeper.running = true
}

// wakeKeepers has all apps looked after, soon.
func (e *Engine) wakeKeepers() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// tendAll has every app looked after.
func (e *Engine) tendAll() error {
	ctx, done := cleanup()
	defer done()
	apps, err := e.Store.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		e.tend(app.Name)
	}
	return nil
}

// tend is the keeper's goroutine: it looks until no one asks for another look.
func (w *worker) tend(ctx context.Context) {
	for {
		next, err := w.look(ctx)
		w.mu.Lock()
		if err != nil {
			w.keeper.failures++
			next = backOff(w.keeper.failures)
			if w.keeper.failures == 1 { // once, not at each try
				w.e.Log.Warn("Cannot look after the app; trying again", "app", w.app, "error", err)
			}
		} else if w.keeper.failures > 0 {
			w.keeper.failures = 0
			w.e.Log.Info("The app is as it should be again", "app", w.app)
		}
		if !w.keeper.again || ctx.Err() != nil {
			w.keeper.running = false
			w.schedule(ctx, next)
			w.mu.Unlock()
			return
		}
		w.keeper.again = false
		w.mu.Unlock()
	}
}

// schedule sets the time of the next look; 0: none is due. With mu held.
func (w *worker) schedule(ctx context.Context, next time.Duration) {
	if w.keeper.timer != nil {
		w.keeper.timer.Stop()
	}
	if next > 0 && ctx.Err() == nil {
		w.keeper.timer = time.AfterFunc(next, func() { w.e.tend(w.app) })
	}
}

// look is one look, which a panic ends as an error does.
func (w *worker) look(ctx context.Context) (next time.Duration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %s\n%s", PanicText(r), debug.Stack())
		}
	}()
	// A record that can't be settled must not keep the app down.
	errOrphans := w.settleOrphans(ctx)
	next, err = w.keep(ctx)
	return next, errors.Join(errOrphans, err)
}

// keep makes instances and route what the store says. It returns when the next
// look is due (0: when something happens), or an error when something could not
// be made right.
func (w *worker) keep(ctx context.Context) (next time.Duration, err error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	// The order matters: instances, then the candidate, then the app. A release
	// that was listed and is neither candidate nor wanted by the app is a stray.
	if err := w.e.observe(ctx, w.app); err != nil {
		return 0, err
	}
	if w.replacing() {
		return 0, nil // who does it sees to the app, and tells when it is over
	}
	protected := w.protected()
	app, err := w.e.Store.App(ctx, w.app)
	if errors.Is(err, ErrNotFound) {
		w.e.forgetApp(w.app)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	repair, errLive := w.keepLive(ctx, app)
	again, errWorkers := w.keepWorkers(ctx, app, w.candidateNow())
	sleep, errRest := w.keepPrevious(ctx, app, protected)
	errStrays := w.removeStrays(ctx, app, protected)
	w.e.point(ctx, w.app)
	errOld := w.retain(ctx, app, protected)
	return sooner(sooner(repair, again), sleep), errors.Join(errLive, errWorkers, errRest, errStrays, errOld)
}

// sooner gives the shorter of two waits; 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// protected are the releases that a worker or a drain is busy with.
func (w *worker) protected() map[int]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := map[int]bool{w.candidate: true}
	for release := range w.draining {
		p[release] = true
	}
	return p
}

// candidateNow is the release that a job is bringing up; 0: none.
func (w *worker) candidateNow() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.candidate
}

// keepLive has the live release running. When it was started again just now
// and ended again, it tells how long the next try has to wait.
func (w *worker) keepLive(ctx context.Context, app App) (next time.Duration, err error) {
	if app.Live == 0 {
		return 0, nil
	}
	r, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return 0, err
	}
	if w.e.runningInstances(w.app, r, app.Active) != nil {
		return 0, nil
	}
	w.e.pointTo(app) // what still runs is routed first: a repair may take its time
	if left := w.keeper.web.until(r.Number, w.e.Now()); left > 0 {
		return left, nil
	}
	if r.Settings.SingleWriter {
		if err := w.alone(ctx, r.Number, 0); err != nil {
			return 0, err
		}
	}
	w.e.Log.Warn("Instances of the live release are down; starting them", "app", w.app, "release", r.Number, "color", app.Active)
	instances, err := w.e.Runtime.Start(ctx, Spec{Release: r, Color: app.Active})
	if err != nil {
		return 0, fmt.Errorf("cannot have %s running: %w", r.Name(), err)
	}
	w.e.observed(w.app, instances)
	w.keeper.web.note(r.Number, w.e.Now())
	if len(runningOf(instances, r.Number)) < max(1, r.Settings.Instances) {
		return w.keeper.web.until(r.Number, w.e.Now()), nil
	}
	return 0, nil
}

// note notes that the release was started again.
func (r *repairs) note(release int, now time.Time) {
	if r.release != release || now.Sub(r.at) > wellAfter {
		r.n = 0
	}
	r.release, r.at = release, now
	r.n++
}

// untilRepair is how long the release must wait to be started again.
func (r *repairs) until(release int, now time.Time) time.Duration {
	if r.release != release || r.n == 0 || now.Sub(r.at) > wellAfter {
		return 0
	}
	return max(0, r.at.Add(backOff(r.n)).Sub(now))
}

// keepPrevious puts the replaced release to sleep when its grace is over, and
// tells when that will be.
func (w *worker) keepPrevious(ctx context.Context, app App, protected map[int]bool) (next time.Duration, err error) {
	if app.Previous == 0 || protected[app.Previous] || w.isWatched(app.Live) {
		return 0, nil
	}
	running := len(runningOf(w.e.instances(w.app), app.Previous)) > 0
	if running {
		r, err := w.e.Store.Release(ctx, w.app, app.Live)
		if err != nil {
			return 0, err
		}
		if left := app.ReplacedAt.Add(r.Settings.Grace).Sub(w.e.Now()); left > 0 {
			return left, nil
		}
		// From here on nobody may take it for running, whatever comes of Stop.
		w.e.forget(w.app, app.Previous)
		w.e.pointTo(app)
		w.e.Router.Release(ctx, w.app, app.Previous)
		if err := w.e.Runtime.Stop(ctx, w.app, app.Previous, r.Settings.Stop); err != nil {
			return 0, fmt.Errorf("cannot put %s to sleep: %w", ReleaseName(app.Previous), err)
		}
		// If we die here: the release sleeps and its record says warm; the next
		// look finds it stopped and says so.
		if err := w.e.observe(ctx, w.app); err != nil {
			return 0, err
		}
	}
	return 0, w.recordAsleep(ctx, app)
}

// recordAsleep stores that the previous release no longer runs.
func (w *worker) recordAsleep(ctx context.Context, app App) error {
	open, err := w.e.Store.Open(ctx)
	if err != nil {
		return err
	}
	for _, d := range open {
		if d.App != w.app || d.State != Warm || d.Release != app.Previous {
			continue
		}
		text := fmt.Sprintf("%s sleeps on %s, ready for restart-previous", ReleaseName(d.Release), d.Color)
		if err := w.e.step(ctx, d, Asleep, text, w.wentBack(ctx, d)); err != nil {
			return err
		}
	}
	return nil
}

// removeStrays removes instances that nothing speaks for. It is the one place
// beside undo where instances go, and neither removes what serves.
func (w *worker) removeStrays(ctx context.Context, app App, protected map[int]bool) error {
	var errs []error
	for _, release := range releasesOf(w.e.instances(w.app)) {
		if wanted := release == app.Live || release == app.Previous || release == app.Staged; wanted || protected[release] {
			continue
		}
		w.e.Router.Release(ctx, w.app, release)
		if err := w.e.Runtime.Remove(ctx, w.app, release); err != nil {
			errs = append(errs, fmt.Errorf("cannot remove the instances of %s: %w", ReleaseName(release), err))
			continue
		}
		w.e.forget(w.app, release)
	}
	return errors.Join(errs...)
}

// retain removes images beyond those that are kept for going back.
func (w *worker) retain(ctx context.Context, app App, protected map[int]bool) error {
	if w.makes() {
		return nil // the app is looked after again when that is over
	}
	releases, err := w.e.Store.Releases(ctx, w.app)
	if err != nil {
		return err
	}
	keep := w.e.Defaults.Keep
	if len(releases) > 0 {
		keep = releases[0].Settings.Keep
	}
	used := map[string]bool{}
	var drop []Release
	for _, r := range releases { // newest first
		switch {
		case r.Gone:
		case protected[r.Number] || w.e.pinned(app, r.Number):
			used[r.Image] = true
		case keep > 0:
			keep--
			used[r.Image] = true
		default:
			drop = append(drop, r)
		}
	}
	for _, r := range drop {
		_ = w.dropImage(ctx, r, used[r.Image]) // the next round tries again
	}
	return nil
}

// step stores one move of a deployment that no job is busy with.
func (e *Engine) step(ctx context.Context, d Deployment, s State, text string, alert *Alert) error {
	if err := d.to(s, e.Now()); err != nil {
		return err
	}
	if _, err := e.Store.UpdateDeployment(ctx, d, text, alert); err != nil {
		return fmt.Errorf("cannot store that deployment %d is %s: %w", d.ID, s, err)
	}
	e.told(Event{At: e.Now(), App: d.App, Deployment: d.ID, State: s, By: d.By, Text: text})
	return nil
}
