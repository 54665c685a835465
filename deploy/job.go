package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// job is a deployment while the engine works on it: from the queue until it
// has settled (ended, staged, or live with its drain over).
type job struct {
	journal *journal
	ctx     context.Context // ends when the deployment shall; its cause is an *interruption
	cancel  context.CancelCauseFunc
	// accepted is when a person (or the clock) asked for it: a staged deployment
	// is asked for a second time when it is promoted.
	accepted time.Time
	flushed  chan struct{} // the log is in the store

	mu       sync.Mutex
	d        Deployment
	past     bool          // beyond the bar: can't be interrupted any more
	promoted chan struct{} // closed at the bar
	settled  chan struct{} // closed at the end
	tell     sync.Once     // closes promoted
	end      sync.Once     // closes settled
	giveUp   *interruption // a staged deployment that shall end
	hurried  chan struct{} // closed when someone wants a gradual promotion completed now
	hurry    sync.Once     // closes hurried
	why      *Regression   // what the watch has seen; nil for other causes

	// Times of the parts, for the receipt. Used by the worker's goroutine only.
	build, release, start, probe time.Duration
	held                         time.Duration // since when requests waited: until the switch
}

// interruption is why a job's context ended: the state that its deployment
// shall get, and the note that says why.
type interruption struct {
	state State
	note  string
}

func (i *interruption) Error() string { return i.note }

func newJob(ctx context.Context, d Deployment, j *journal, accepted time.Time) *job {
	ctx, cancel := context.WithCancelCause(ctx)
	return &job{
		journal: j, ctx: ctx, cancel: cancel, accepted: accepted, d: d, flushed: make(chan struct{}),
		promoted: make(chan struct{}), settled: make(chan struct{}), hurried: make(chan struct{}),
	}
}

func (j *job) snapshot() Deployment {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.d
}

// is tells whether the job is that of the deployment; 0: any.
func (j *job) is(id DeploymentID) bool { return id == 0 || j.snapshot().ID == id }

func (j *job) hasSettled() bool {
	select {
	case <-j.settled:
		return true
	default:
		return false
	}
}

// await waits until the job has settled.
func (j *job) await(ctx context.Context) (Deployment, error) {
	select {
	case <-j.settled:
		return j.snapshot(), nil
	case <-ctx.Done():
		return Deployment{}, ctx.Err()
	}
}

func (j *job) tellPromoted() { j.tell.Do(func() { close(j.promoted) }) }

// leave waits until the worker is through with the job: it is promoted, or has settled.
func (j *job) leave(ctx context.Context) error {
	select {
	case <-j.promoted:
	case <-j.settled:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// aim says what the deployment is about to bring up, to be stored with its next move.
func (j *job) aim(release int, c Color) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.d.Release, j.d.Color = release, c
}

// set keeps the stored form of the deployment.
func (j *job) set(d Deployment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.d = d
}

// interrupt ends the job if it is still left of the bar, and tells whether it was.
func (j *job) interrupt(why *interruption) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.past {
		return false
	}
	j.cancel(why)
	return true
}

// pass takes the job beyond the bar, unless it was interrupted before.
func (j *job) pass() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	j.past = true
	return nil
}

// outcome translates what a step returned into the state that the deployment
// ends in, its note and its failure.
func (j *job) outcome(err error) (State, string, *Failure) {
	var i *interruption
	if j.ctx.Err() != nil && errors.As(context.Cause(j.ctx), &i) {
		return i.state, i.note, nil
	}
	if j.ctx.Err() != nil {
		return Failed, "", interrupted(j.snapshot().State)
	}
	if errors.As(err, &i) {
		return i.state, i.note, nil
	}
	var f *Failure
	if errors.As(err, &f) {
		own := *f
		return Failed, "", &own
	}
	return Failed, "", &Failure{
		Step: stepOf(j.snapshot().State), Reason: Clean(j.journal.redact(err.Error()), 300), Err: err,
		Hint: "this is not the app's fault; look at Teal's own log, then deploy again",
	}
}

// interrupted is the failure of a deployment in whose middle Teal itself ended.
func interrupted(in State) *Failure {
	return &Failure{
		Step: StepTeal, Reason: fmt.Sprintf("Teal was stopped, or could not store a thing, while the deployment was %s", in),
		Hint: "nothing was switched; push the commit again",
	}
}

// stepOf names the step that a state is about.
func stepOf(s State) Step {
	switch s {
	case Queued, Building:
		return StepBuild
	case Releasing:
		return StepRelease
	case Starting:
		return StepStart
	case Probing, Staged:
		return StepProbe
	case Shifting:
		return StepGradual
	case Promoting:
		return StepPromote
	default:
		return StepTeal
	}
}
