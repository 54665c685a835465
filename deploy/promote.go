package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// handover is a switch that was made: what the router had counted just before
// it, to measure it by.
type handover struct {
	old, new          int // releases; old is 0 on the first promotion
	before, beforeNew Figures
	at                time.Time
	drainTime         time.Duration
	alone             bool   // the old release was stopped before
	base              Sample // of the old release in the last minutes
}

// promote is the bar. First the store is told (the commit), then the router;
// whatever happens after the first is repaired by doing the second again.
func (w *worker) promote(j *job, r Release) error {
	h, err := w.commit(j, r)
	if err != nil {
		return err
	}
	moved := w.follow(j)
	w.keepWatch(j, r, h)
	w.switches.Add(1) // before anyone is told: a destruction waits for it from then on
	j.tellPromoted()
	if err := w.e.spawn(func(ctx context.Context) { w.settleSwitch(ctx, j, h, moved) }); err != nil {
		w.switches.Done()
		w.undrain(h.old)
		w.e.settle(j) // the next start does the rest
	}
	return nil
}

// commit makes the release live: the store's compare-and-swap, then the switch.
func (w *worker) commit(j *job, r Release) (handover, error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, done := cleanup()
	defer done()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return handover{}, err
	}
	h := handover{old: app.Live, new: r.Number, at: w.e.Now(), drainTime: r.Settings.Drain}
	h.before, h.beforeNew = w.e.Router.Figures(w.app, h.old), w.e.Router.Figures(w.app, h.new)
	h.base, h.alone = w.baseline(h.old, h.before), w.replacing()
	d := j.snapshot()
	if w.e.runningInstances(w.app, r, d.Color) == nil {
		return handover{}, errAsleep
	}
	// Beyond this line nothing interrupts the deployment: cancel, a newer push
	// and the end of the daemon all wait for it.
	if err := j.pass(); err != nil {
		return handover{}, err
	}
	if err := d.to(Promoting, h.at); err != nil {
		return handover{}, err
	}
	d.Replaces = h.old
	receipt := j.receipt(r, h)
	d.Receipt = &receipt
	text := liveText(app, d)
	stored, err := w.e.Store.Activate(ctx, app.Active, d, text)
	if err != nil {
		if stored, err = w.settleCommit(d, err); err != nil {
			return handover{}, err
		}
	}
	// If we die here: the store says that the new color is active, and the
	// router is gone with us; the next start points at what the store says.
	committed := w.e.Now()
	w.drains(h.old)
	app.Active, app.Live, app.Previous, app.Staged = d.Color, d.Release, h.old, 0
	w.straighten()
	w.serves(r)
	w.e.pointTo(app) // what Activate has made of it: the switch waits for no reading
	switched := receipt
	switched.Switch = ms(w.e.Now().Sub(committed))
	stored.Receipt = &switched
	j.set(stored)
	j.journal.say("==> %s", text)
	w.e.told(Event{At: committed, App: w.app, Deployment: d.ID, State: Promoting, By: d.By, Text: text})
	return h, nil
}

// settleCommit finds out what an error of Activate means: the transaction may
// have gone through all the same. Until that is known neither color may be
// touched, so it asks until the store answers or the daemon ends.
func (w *worker) settleCommit(d Deployment, cause error) (Deployment, error) {
	for wait := w.e.Retry; ; wait = min(2*wait, 30*time.Second) {
		ctx, done := cleanup()
		stored, err := w.e.Store.Deployment(ctx, d.ID)
		done()
		switch {
		case err == nil && stored.State.Committed():
			return stored, nil
		case err == nil:
			return Deployment{}, &Failure{
				Step: StepPromote, Reason: "the switch could not be committed: " + Clean(cause.Error(), 200),
				Hint: "nothing was switched; look at Teal's own log and at the disk, then deploy again", Err: cause,
			}
		case errors.Is(err, ErrNotFound):
			return Deployment{}, err
		}
		w.e.Log.Error("Cannot tell whether the switch was committed", "app", w.app, "deployment", d.ID, "error", err)
		if !w.e.pauseRunning(wait) {
			return Deployment{}, errUnknown
		}
	}
}

// errUnknown: the daemon ends and can't tell whether the commit went through.
// Nothing may be undone; the next start sees what the store says.
var errUnknown = errors.New("unknown whether the switch was committed")

// errAsleep: the instances were put to sleep between the probe and the bar.
var errAsleep = &Failure{
	Step: StepPromote, Reason: "the instances ended between the probe and the switch",
	Hint: "nothing was switched; look at the app's log, then deploy again",
}

// follow moves the pushed ref to the commit that is now live.
func (w *worker) follow(j *job) (moved bool) {
	d := j.snapshot()
	if d.Cause != CausePush {
		return true
	}
	ctx, done := cleanup()
	defer done()
	err := w.e.Repositories.Advance(ctx, d.Push)
	if err != nil {
		w.e.Log.Error("Cannot move the ref; trying again", "app", w.app, "deployment", d.ID, "commit", d.Push.New, "error", err)
	}
	return err == nil
	// If we die here: the deployment is stored as promoting, and the next start
	// moves the ref.
}

// settleSwitch goes forward from the switch: the old color's requests, the
// receipt, the ref if that did not move at once. It has no way back; what fails
// is tried again.
func (w *worker) settleSwitch(ctx context.Context, j *job, h handover, moved bool) {
	defer w.switches.Done()
	defer w.takeStock(ctx, h.new)
	defer w.e.tend(w.app)
	defer w.e.settle(j)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.lifetime(), cancel)()
	w.e.tend(w.app) // the old workers stop now, not when the last request is answered
	if h.old != 0 {
		w.finishRequests(ctx, j, h)
	}
	if !moved && !w.followLater(ctx, j) {
		return
	}
	w.forward(ctx, j, Live, fmt.Sprintf("%s is live", ReleaseName(h.new)))
}

// lifetime ends when the app is destroyed.
func (w *worker) lifetime() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.life
}

// finishRequests drains the old color. Whether the record can say so or not
// (the store fails, something newer was promoted meanwhile), nobody takes the
// instances away before.
func (w *worker) finishRequests(ctx context.Context, j *job, h handover) {
	defer w.e.tend(w.app) // the grace counts from here, whatever becomes of the ref
	defer w.undrain(h.old)
	err := w.moveTelling(j, Draining, fmt.Sprintf("%s finishes its requests", ReleaseName(h.old)), w.wentBack(ctx, j.snapshot()))
	if err != nil {
		w.e.Log.Warn("Cannot store that a release drains", "app", w.app, "deployment", j.snapshot().ID, "release", h.old, "error", err)
	}
	w.drain(ctx, j, h)
}

// followLater tries to move the ref until it has moved, or something newer is
// live: a late try must not take the ref back. It tells whether there is a
// record to complete.
func (w *worker) followLater(ctx context.Context, j *job) bool {
	for wait := w.e.Retry; ; wait = min(2*wait, 30*time.Second) {
		if pause(ctx, wait); ctx.Err() != nil {
			return false
		}
		done, err := w.followIfServing(ctx, j.snapshot())
		switch {
		case errors.Is(err, ErrNotFound):
			return false // destroyed
		case done:
			return true
		}
	}
}

// followIfServing moves the ref unless the deployment was replaced. It holds
// the app's place, so that no other one is promoted meanwhile.
func (w *worker) followIfServing(ctx context.Context, d Deployment) (done bool, err error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now, err := w.e.Store.Deployment(ctx, d.ID)
	if err != nil {
		return false, err
	}
	if now.State != Promoting && now.State != Draining {
		return true, nil
	}
	// Without %w: a repository that has lost the commit is no destroyed app.
	if err := w.e.Repositories.Advance(ctx, d.Push); err != nil {
		return false, fmt.Errorf("cannot move %s of deployment %d: %v", d.Push.Ref, d.ID, err) //nolint:errorlint
	}
	return true, nil
}

// drain waits for the old color's requests and completes the receipt.
func (w *worker) drain(ctx context.Context, j *job, h handover) {
	began := w.e.Now()
	drainCtx, cancel := context.WithTimeout(ctx, h.drainTime)
	defer cancel()
	cut := w.e.Router.Drain(drainCtx, w.app, h.old)
	drained := w.e.Now().Sub(began)
	if busy := h.before.P99 > 0 || h.before.InFlight > 0; busy && drained < w.e.Observe {
		pause(ctx, w.e.Observe-drained)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	old, now := w.e.Router.Figures(w.app, h.old), w.e.Router.Figures(w.app, h.new)
	receipt := *j.d.Receipt
	receipt.Requests = grown(h.before.Requests, old.Requests) + grown(h.beforeNew.Requests, now.Requests)
	receipt.Failed = grown(h.before.Failed, old.Failed) + grown(h.beforeNew.Failed, now.Failed)
	receipt.P99Old, receipt.P99New = h.before.P99, now.P99
	receipt.Drained, receipt.Cut, receipt.Sockets = h.before.InFlight, cut, h.before.Sockets
	receipt.Drain = drained.Seconds()
	j.d.Receipt = &receipt
}

// grown is how much a counter went up. One that went down has begun anew: the
// router had forgotten the release meanwhile.
func grown(from, to uint64) uint64 {
	if to < from {
		return to
	}
	return to - from
}

// forward stores a state right of the bar, with the receipt; it tries until the
// store takes it. When something newer was promoted meanwhile the state is
// that one's doing already, and the receipt alone is stored.
func (w *worker) forward(ctx context.Context, j *job, s State, text string) {
	for wait := w.e.Retry; ; wait = min(2*wait, 30*time.Second) {
		err := w.record(ctx, j, s, text)
		switch {
		case err == nil, errors.Is(err, ErrNotFound): // stored, or destroyed
			return
		case errors.Is(err, ErrConflict):
			err = w.reread(ctx, j)
		}
		if err != nil {
			w.e.Log.Error("Cannot store the state; trying again", "app", w.app, "deployment", j.snapshot().ID, "error", err)
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return
		}
	}
}

func (w *worker) record(ctx context.Context, j *job, s State, text string) error {
	if slices.Contains(moves[j.snapshot().State], s) {
		return w.moveTelling(j, s, text, w.wentBack(ctx, j.snapshot()))
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	d, text := j.snapshot(), fmt.Sprintf("receipt of %s complete", ReleaseName(j.snapshot().Release))
	d, err := w.e.Store.UpdateDeployment(ctx, d, text, w.wentBack(ctx, d))
	if err != nil {
		return fmt.Errorf("cannot store the receipt: %w", err)
	}
	j.set(d)
	w.e.told(Event{At: w.e.Now(), App: w.app, Deployment: d.ID, By: d.By, Text: text})
	return nil
}

// reread takes the deployment as it is stored, but for its receipt.
func (w *worker) reread(ctx context.Context, j *job) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	d, err := w.e.Store.Deployment(ctx, j.snapshot().ID)
	if errors.Is(err, ErrNotFound) {
		return nil // the next write finds out
	}
	if err != nil {
		return err
	}
	d.Receipt = j.snapshot().Receipt
	j.set(d)
	return nil
}

// drains marks a release whose requests are waited for: the keeper leaves it alone.
func (w *worker) drains(release int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining[release]++
}

func (w *worker) undrain(release int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining[release]--; w.draining[release] <= 0 {
		delete(w.draining, release)
	}
}

// receipt begins the proof of the switch with what is known at the bar.
func (j *job) receipt(r Release, h handover) Receipt {
	work := j.build + j.release + j.start + j.probe
	return Receipt{
		Image: r.Image, Replaced: h.old, Regression: j.why, Held: j.held.Seconds(),
		Build: j.build.Seconds(), Start: j.start.Seconds(), Probe: j.probe.Seconds(),
		Overhead: ms(max(0, h.at.Sub(j.accepted)-work)),
	}
}

// liveText tells of a promotion: "v14 is live on green (replaces v13 on blue)".
func liveText(app App, d Deployment) string {
	if app.Live == 0 {
		return fmt.Sprintf("%s is live on %s", ReleaseName(d.Release), d.Color)
	}
	return fmt.Sprintf("%s is live on %s (replaces %s on %s)", ReleaseName(d.Release), d.Color, ReleaseName(app.Live), app.Active)
}
