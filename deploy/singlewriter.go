package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A single writer is an app of which no two releases may run at once: it has one
// SQLite file, or another thing that only one process may hold. Its promotion
// goes another way, from after the release command (which runs beside what
// serves) to the commit:
//
//	hold      new requests wait in the router; those in flight are answered
//	stop      what runs of the app
//	start     the new release, probe it
//	commit    and the router's switch, which lets the requests go on
//
// On a failure the new release is stopped, the old one started and probed, and
// then the requests go on; who pushed is told after that. The time is shared
// out so that this, too, fits into what a request may wait.
//
// If we die here, at any step before the commit: the store says that the old
// release is live, and whatever the keeper starts of such an app it starts
// alone. After the commit the same holds for the new one. The requests that
// waited died with the router.

// mustBeAlone gives the live release when it and r may not run at the same
// time; nil when they may.
func (w *worker) mustBeAlone(j *job, r Release) (*Release, error) {
	app, err := w.appNow(j)
	if err != nil || app.Live == 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return nil, err
	}
	if !r.Settings.SingleWriter && !live.Settings.SingleWriter {
		return nil, nil
	}
	return &live, nil
}

// stageable refuses to have a single writer wait on the preview.
func (w *worker) stageable(j *job, r Release) error {
	if d := j.snapshot(); !d.Push.NoPromote && d.State != Staged {
		return nil
	}
	live, err := w.mustBeAlone(j, r)
	if err != nil || live == nil {
		return err
	}
	return &Failure{
		Step: StepStart, Reason: "a single-writer app cannot wait on the preview: two releases of it would run at once",
		Hint: "push without -o no-promote",
	}
}

// replace takes the live release away and puts r in its place while requests
// wait. Undoing brings the live one back.
func (w *worker) replace(j *job, r, live Release) error {
	app, err := w.appNow(j)
	if err != nil {
		return err
	}
	began := w.e.Now()
	most := r.Settings.Hold
	j.aim(r.Number, app.Idle())
	if err := w.holdRequests(j, app, r, most); err != nil {
		return err
	}
	drain, cancel := context.WithTimeout(j.ctx, min(r.Settings.Drain, most/4))
	cut := w.e.Router.Drain(drain, w.app, live.Number)
	cancel()
	if cut > 0 {
		j.journal.say("==> %s on %s cut off", count(cut, "request"), live.Name())
	}
	instances, err := w.startAlone(j, app, r, live)
	if err != nil {
		return err
	}
	probed := r
	probed.Settings.StartTimeout = min(r.Settings.StartTimeout, probeTime(most, w.e.Now().Sub(began)))
	if err := w.probe(j, probed, instances); err != nil {
		return err
	}
	if err := w.startWorkers(j, r); err != nil {
		return err
	}
	j.held = w.e.Now().Sub(began)
	j.journal.say("==> Requests waited for %s", seconds(j.held))
	return w.promote(j, r)
}

// probeTime is how long a release may take to be well, of the time that requests
// may wait: what is left after stopping the old one and starting it took spent.
// Bringing the old one back takes such a while again, and gets twice that, or a
// quarter of it all.
func probeTime(most, spent time.Duration) time.Duration {
	return max(most-spent-max(most/4, 2*spent), most/8)
}

// holdRequests has new requests wait.
func (w *worker) holdRequests(j *job, app App, r Release, most time.Duration) error {
	w.place.Lock()
	defer w.place.Unlock()
	if err := w.move(j, Starting, fmt.Sprintf("%s takes the place of %s, requests wait", r.Name(), ReleaseName(app.Live))); err != nil {
		return err
	}
	j.journal.say("==> Single writer: requests wait, at most %s, while %s stops and %s starts", most, ReleaseName(app.Live), r.Name())
	w.traffic.mu.Lock()
	w.traffic.candidate, w.traffic.held, w.traffic.hold = r.Number, true, most
	w.traffic.mu.Unlock()
	w.e.pointTo(app)
	return nil
}

// startAlone stops whatever else runs of the app and starts the release.
func (w *worker) startAlone(j *job, app App, r, live Release) ([]Instance, error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	began := w.e.Now()
	if err := w.e.observe(ctx, w.app); err != nil {
		return nil, err
	}
	w.endCrons(ctx, errCronWriter)
	if err := w.alone(ctx, r.Number, live.Settings.Stop); err != nil {
		return nil, err
	}
	j.journal.say("==> %s stopped in %s; starting %s on %s", live.Name(), seconds(w.e.Now().Sub(began)), r.Name(), app.Idle())
	return w.startIdle(ctx, j, app, r)
}

// alone stops every release of the app but one. The caller holds place.
func (w *worker) alone(ctx context.Context, release int, stop time.Duration) error {
	instances := w.e.instances(w.app) // workers write, too
	for _, other := range releasesOf(instances) {
		runs := func(in Instance) bool { return in.Release == other && in.Running }
		if other == release || !slices.ContainsFunc(instances, runs) {
			continue
		}
		leave, cancel := context.WithTimeout(ctx, 2*time.Second)
		w.e.Router.Release(leave, w.app, other)
		cancel()
		w.e.forget(w.app, other) // nobody may take it for running, whatever comes of Stop
		if err := w.e.Runtime.Stop(ctx, w.app, other, stop); err != nil {
			return fmt.Errorf("cannot stop %s, and %s may not run beside it: %w", ReleaseName(other), ReleaseName(release), err)
		}
	}
	return nil
}

// replacing tells whether requests wait for a release that takes the place of another.
func (w *worker) replacing() bool {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	return w.traffic.held
}

// replacingWith tells whether they wait for that one.
func (w *worker) replacingWith(release int) bool {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	return w.traffic.held && w.traffic.candidate == release
}

// turnBack stops the release that failed, starts the live one again and lets the
// requests go on. What it can't do the keeper does later. The caller holds
// place; the job may be nil.
func (w *worker) turnBack(ctx context.Context, j *job, app App, failed int) {
	w.traffic.mu.Lock()
	w.traffic.candidate = app.Live
	w.traffic.mu.Unlock()
	w.e.pointTo(app)
	if err := w.alone(ctx, app.Live, 2*time.Second); err != nil && failed != app.Previous {
		w.remove(ctx, failed)
	}
	live, instances, err := w.startLive(ctx, app)
	if err != nil {
		w.e.Log.Error("Cannot start the live release again; trying again", "app", w.app, "release", app.Live, "color", app.Active, "error", err)
	} else if w.wellAgain(ctx, live, instances) && j != nil {
		j.journal.say("==> %s serves again", live.Name())
	}
	w.straighten()
	w.e.pointTo(app)
}

// wellAgain waits until instances that were well before are so again, and tells
// whether they are.
func (w *worker) wellAgain(ctx context.Context, r Release, instances []Instance) bool {
	ctx, cancel := context.WithTimeout(ctx, r.Settings.StartTimeout)
	defer cancel()
	host := w.e.hosts(App{Name: w.app})[0]
	for _, in := range instances {
		for wait := firstPause; w.e.Probe(ctx, in.Addr, host, r.Settings) != nil && ctx.Err() == nil; wait = min(2*wait, r.Settings.ProbeInterval) {
			pause(ctx, wait)
		}
	}
	return ctx.Err() == nil
}

// startLive starts the live release, and nothing else may run then.
func (w *worker) startLive(ctx context.Context, app App) (Release, []Instance, error) {
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return live, nil, err
	}
	if err := w.e.observe(ctx, w.app); err != nil {
		return live, nil, err
	}
	if err := w.alone(ctx, live.Number, 0); err != nil {
		return live, nil, err
	}
	instances, err := w.e.Runtime.Start(ctx, Spec{Release: live, Color: app.Active})
	if err == nil {
		w.e.observed(w.app, instances)
	}
	return live, instances, err
}
