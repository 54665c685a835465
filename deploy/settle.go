package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ending is how a deployment left of the bar ended: all that is stored of it in
// one transaction.
type ending struct {
	d     Deployment
	text  string
	alert *Alert
}

// track makes the job of a stored deployment and starts keeping its log, which
// goes on after line `after`.
func (e *Engine) track(d Deployment, after int, envs ...map[string]string) (*job, error) {
	j := newJob(context.Background(), d, newJournal(after, e.Now), e.Now())
	for _, env := range envs {
		j.journal.hide(env)
	}
	put := func(lines []LogLine) error {
		ctx, done := cleanup()
		defer done()
		return e.Store.AppendLog(ctx, d.ID, lines)
	}
	err := e.spawn(func(ctx context.Context) {
		defer close(j.flushed)
		stop := context.AfterFunc(ctx, func() { j.cancel(ErrStopping) })
		defer stop()
		if err := j.journal.flush(put); err != nil {
			e.Log.Warn("Cannot store the end of the log", "app", d.App, "deployment", d.ID, "error", err)
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
// transaction, then whoever waits is told. When the store does not take it,
// they are told all the same, and the keeper stores the same end later.
func (e *Engine) finish(j *job, s State, note string, f *Failure) {
	defer e.settle(j)
	ctx, done := cleanup()
	defer done()
	d := j.snapshot()
	if err := d.to(s, e.Now()); err != nil {
		e.Log.Error("Cannot end the deployment", "app", d.App, "deployment", d.ID, "error", err)
		return
	}
	if d.Note = note; note == "" && s == Failed && len(d.Changes) > 0 {
		d.Note = "would have patched: " + Brief(d.Changes)
	}
	end := ending{text: fmt.Sprintf("%s: %s", s, note)}
	if f != nil {
		f.Log = j.journal.redactAll(f.Log)
		f.Reason, f.Hint = j.journal.redact(f.Reason), j.journal.redact(f.Hint)
		d.Failure = f.classed()
		end.text, end.alert = f.Error(), e.alert(ctx, d)
	}
	end.d = d
	j.journal.say("==> %s", capitalize(end.text))
	stored, err := e.storeEnd(ctx, end)
	if err != nil && !errors.Is(err, ErrNotFound) {
		e.Log.Error("Cannot store the end of the deployment; trying again", "app", d.App, "deployment", d.ID, "state", s, "error", err)
		e.owe(end)
	}
	j.set(stored)
}

// storeEnd stores the end of a deployment and tells of it. It is the end
// whatever the record says now: an earlier write may have gone through although
// it gave an error.
func (e *Engine) storeEnd(ctx context.Context, end ending) (Deployment, error) {
	d, err := e.Store.UpdateDeployment(ctx, end.d, end.text, end.alert)
	if errors.Is(err, ErrConflict) {
		was, errRead := e.Store.Deployment(ctx, end.d.ID)
		switch {
		case errRead != nil:
			return end.d, errRead
		case was.State.Committed():
			return was, nil // it was promoted: that is no end to undo
		case was.State.Ended():
			d, err = was, nil
		default:
			again := end.d
			again.Version = was.Version
			d, err = e.Store.UpdateDeployment(ctx, again, end.text, end.alert)
		}
	}
	if err != nil {
		return end.d, fmt.Errorf("cannot end deployment %d: %w", end.d.ID, err)
	}
	e.told(Event{At: e.Now(), App: d.App, Deployment: d.ID, State: d.State, By: d.By, Text: end.text})
	return d, nil
}

// owe keeps an end that could not be stored, for the keeper.
func (e *Engine) owe(end ending) {
	e.mu.Lock()
	e.owed[end.d.ID] = end
	e.mu.Unlock()
	e.wakeKeepers()
}

// owes gives the end of a deployment that is still to be stored.
func (e *Engine) owes(id DeploymentID) (ending, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	end, ok := e.owed[id]
	return end, ok
}

// owing gives all such ends of an app.
func (e *Engine) owing(app AppName) []ending {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []ending
	for _, end := range e.owed {
		if end.d.App == app {
			out = append(out, end)
		}
	}
	return out
}

func (e *Engine) paid(id DeploymentID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.owed, id)
}

// settle lets go of a job: its log ends, and those who wait go on. Doing it
// again does nothing.
func (e *Engine) settle(j *job) {
	j.end.Do(func() {
		j.journal.close()
		pauseUntil(j.flushed, 5*time.Second)
		e.forgetJob(j)
		close(j.settled) // who waited for it finds no job any more
		j.cancel(nil)
	})
}

func (e *Engine) forgetJob(j *job) {
	id := j.snapshot().ID
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs[id] == j {
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
		Commit: d.Push.Commit, Ref: d.Push.Ref, Failure: *d.Failure, Changes: d.Changes,
		Serving: app.Active, ServingV: app.Live, ServingSince: app.ReplacedAt, At: e.Now(),
	}
}
