package deploy

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// worker runs an app's deployments, one at a time, newest first: a push that
// waits or is left of the bar gives way to a newer one. Its goroutine lives
// only while there is work.
type worker struct {
	e   *Engine
	app AppName

	mu      sync.Mutex
	active  bool // the goroutine runs
	next    *job // waits; there is never more than one
	current *job // the worker is busy with it
	// candidate is the release that the current job is bringing up; the keeper
	// leaves it alone. 0: none.
	candidate int
	// making: an image is being made that no release names yet, and that may be one
	// that is there: no image of the app is removed.
	making   bool
	draining map[int]int // drains under way, by the release whose requests are waited for
	gone     bool        // the app is being destroyed
	keeper   keeper
	traffic  traffic
	crons    crons

	// life ends when the app is destroyed, and with it what follows a switch;
	// switches waits for that.
	life     context.Context
	endLife  context.CancelFunc
	switches sync.WaitGroup

	// place is held while instances of the app are started, stopped, removed or
	// switched, so that nobody removes what another is about to make live.
	place sync.Mutex
}

func newWorker(e *Engine, app AppName) *worker {
	w := &worker{e: e, app: app, draining: map[int]int{}}
	w.life, w.endLife = context.WithCancel(context.Background())
	return w
}

// enqueue accepts a deployment: it is stored as queued, and whatever it
// displaces is told so.
func (w *worker) enqueue(ctx context.Context, d Deployment) (Deployment, error) {
	return w.enqueueFor(ctx, d, nil)
}

// enqueueFor is enqueue with what the watch has seen; nil for any other cause.
func (w *worker) enqueueFor(ctx context.Context, d Deployment, why *Regression) (Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return Deployment{}, fmt.Errorf("app %s: %w", w.app, ErrNotFound)
	}
	if d.Cause == CausePatch && w.busy() {
		return Deployment{}, fmt.Errorf("%w: a deployment of %s is under way; it goes before a security patch", ErrBusy, w.app)
	}
	if d.Cause == CauseConfig && w.next != nil {
		next := w.next.snapshot()
		if next.Cause.GoesBack() || next.State == Staged { // they bring the environment of their own release
			return Deployment{}, fmt.Errorf("%w: %s waits to be brought up with the environment it had; the new one is stored and goes with the next deployment", ErrBusy, describe(next))
		}
		return next, nil // it has not read the environment yet
	}
	j, err := w.open(ctx, d)
	if err != nil {
		return Deployment{}, err
	}
	j.why = why
	if d.Cause != CauseConfig {
		w.displace(j.d)
	}
	if err := w.put(j); err != nil {
		w.e.finish(j, Failed, "", interrupted(Queued))
		return Deployment{}, err
	}
	return j.snapshot(), nil
}

// busy tells whether something waits or is under way; with mu held. A job that
// has settled is over, though its worker may be about to find out.
func (w *worker) busy() bool { return w.next != nil || w.current != nil && !w.current.hasSettled() }

// put hands the job to the worker's goroutine, which it starts when there is
// none; with mu held.
func (w *worker) put(j *job) error {
	w.next = j
	if w.active {
		return nil
	}
	if err := w.e.spawn(w.work); err != nil {
		w.next = nil
		return err
	}
	w.active = true
	return nil
}

// open stores a new deployment and makes its job.
func (w *worker) open(ctx context.Context, d Deployment) (*job, error) {
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, err
	}
	if d.Cause == CausePatch && app.Staged != 0 {
		return nil, fmt.Errorf("%w: %s of %s is staged; promote or cancel it before a security patch", ErrBusy, ReleaseName(app.Staged), w.app)
	}
	if d.Cause == CausePatch && app.PatchPinned {
		return nil, fmt.Errorf("%w: %s was rolled back; patching waits for the next push", ErrNothing, w.app)
	}
	text := fmt.Sprintf("%s of %s queued", d.Cause, d.Push.Commit.Short())
	if d.Cause.GoesBack() {
		text = fmt.Sprintf("%s to %s queued", goingBack(d.Cause), ReleaseName(d.Target))
	}
	d, err = w.e.Store.CreateDeployment(ctx, d, text)
	if err != nil {
		w.e.wakeKeepers() // it may be stored all the same: the keeper ends it
		return nil, err
	}
	w.e.told(Event{At: d.CreatedAt, App: w.app, Deployment: d.ID, State: Queued, By: d.By, Text: text})
	return w.e.track(d, 0, app.Env)
}

// displace ends what a new deployment takes the place of; with mu held. A job
// beyond the bar completes first.
func (w *worker) displace(by Deployment) {
	why := &interruption{Superseded, fmt.Sprintf("superseded by %s", describe(by))}
	w.dropNext(why)
	if w.current != nil {
		w.current.interrupt(why)
	}
}

// dropNext ends what waits, and tells whether there was something; with mu
// held. A staged deployment that waits to be promoted is staged again.
func (w *worker) dropNext(why *interruption) *job {
	j := w.next
	if j == nil {
		return nil
	}
	w.next = nil
	j.interrupt(why)
	if j.snapshot().State == Staged {
		w.e.settle(j)
	} else {
		w.e.finish(j, why.state, why.note, nil)
	}
	return j
}

// describe names a deployment for the one whose place it took.
func describe(d Deployment) string {
	who := d.By
	if who == "" {
		who = "Teal"
	}
	switch d.Cause {
	case CausePush:
		return fmt.Sprintf("%s's push of %s", who, d.Push.Commit.Short())
	case CauseRollback, CauseWatch:
		return fmt.Sprintf("%s's %s to %s", who, goingBack(d.Cause), ReleaseName(d.Target))
	default:
		return fmt.Sprintf("%s's %s", who, d.Cause)
	}
}

// goingBack is what a person calls it.
func goingBack(c Cause) string {
	if c == CauseWatch {
		return "return"
	}
	return string(c)
}

// work is the worker's goroutine: it runs what waits until nothing does.
func (w *worker) work(ctx context.Context) {
	for {
		w.mu.Lock()
		j := w.next
		w.next, w.current = nil, j
		if j == nil {
			w.active = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()

		w.guard(j)

		w.mu.Lock()
		w.current, w.candidate, w.making = nil, 0, false
		w.mu.Unlock()
		w.straighten() // the keeper points the router
		w.e.tend(w.app)
	}
}

// guard runs the job and turns a panic into its failure: a bug in one app's
// deployment must not take the others down.
func (w *worker) guard(j *job) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		w.e.Log.Error("Panic in a deployment", "app", w.app, "deployment", j.snapshot().ID, "error", PanicText(r), "stack", string(debug.Stack()))
		if j.snapshot().State.Committed() {
			w.e.settle(j) // the keeper completes it, as after a restart
		} else {
			w.abandon(j, Failed, "", &Failure{Step: StepTeal, Reason: fmt.Sprintf("Teal has a bug: %s", PanicText(r)), Hint: "please report it with the daemon's log"})
		}
	}()
	w.run(j)
}

// cancel ends what is queued, under way or staged (0), or only that deployment,
// and waits until it has stopped.
func (w *worker) cancel(ctx context.Context, id DeploymentID, by string) (Deployment, error) {
	why := &interruption{Canceled, fmt.Sprintf("canceled by %s", by)}
	w.mu.Lock()
	current, next := w.current, w.next
	if current != nil && (current.hasSettled() || !current.is(id)) {
		current = nil
	}
	if next != nil && !next.is(id) {
		next = nil
	}
	if next != nil && next.snapshot().State == Staged {
		next.giveUp = why // it waits to be promoted: the worker takes it away instead
		w.mu.Unlock()
		return next.await(ctx)
	}
	if next != nil {
		w.dropNext(why)
	}
	w.mu.Unlock()
	switch {
	case current != nil && current.interrupt(why):
		return current.await(ctx)
	case next != nil:
		return next.snapshot(), nil
	case current != nil:
		return Deployment{}, fmt.Errorf("%w: %s is live already; use restart-previous to go back", ErrNothing, ReleaseName(current.snapshot().Release))
	}
	return w.cancelStaged(ctx, id, why)
}
