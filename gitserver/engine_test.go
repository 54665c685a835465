package gitserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// engine is a core that does what the test's script says. It fails the test
// when it is given a push whose objects are not stored, or whose ref moved already.
type engine struct {
	t     testing.TB
	repos *Repos
	store *memory
	// trusting: it does not look at what it is given. For measuring others.
	trusting bool

	mu      sync.Mutex
	script  func(*attempt) // runs in its own goroutine; nil: promote
	next    deploy.DeploymentID
	all     map[deploy.DeploymentID]*attempt
	pushes  []deploy.Push
	refuse  error // what Receive answers
	running sync.WaitGroup
}

// attempt is one deployment of the scripted engine.
type attempt struct {
	e        *engine
	lines    chan deploy.LogLine
	settled  chan struct{}
	canceled chan string
	id       deploy.DeploymentID
	push     deploy.Push

	mu      sync.Mutex
	d       deploy.Deployment
	dropped bool
}

func (e *engine) Receive(ctx context.Context, p deploy.Push) (deploy.Deployment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuse != nil {
		return deploy.Deployment{}, e.refuse
	}
	if !e.trusting {
		e.inspect(ctx, p)
	}
	e.next++
	room := 4096
	if e.trusting {
		room = 1 // it keeps them all
	}
	a := &attempt{
		e: e, lines: make(chan deploy.LogLine, room), settled: make(chan struct{}), canceled: make(chan string, 1),
		id: e.next, push: p,
		d: deploy.Deployment{ID: e.next, App: p.App, Cause: deploy.CausePush, State: deploy.Queued, Push: p, By: p.By},
	}
	e.all[a.d.ID] = a
	e.pushes = append(e.pushes, p)
	script := e.script
	if script == nil {
		script = func(a *attempt) { a.promote() }
	}
	queued := a.d
	e.running.Go(func() { script(a) })
	return queued, nil
}

// inspect fails the test when the push's objects are not stored, or its ref moved already.
func (e *engine) inspect(ctx context.Context, p deploy.Push) {
	if kind, err := e.repos.plumbing(p.App).kind(ctx, p.New); err != nil || kind != "commit" {
		e.t.Errorf("the engine got a push whose commit is a %q (%v)", kind, err)
	}
	if refs, err := e.repos.refs(ctx, p.App); err != nil || refs.at(p.Ref) != p.Old {
		e.t.Errorf("%s was moved before the engine had the push: %v %v", p.Ref, refs, err)
	}
	if _, err := e.store.App(ctx, p.App); err != nil {
		e.t.Errorf("the engine got a push to an app that is not there: %v", err)
	}
}

func (e *engine) attempt(id deploy.DeploymentID) *attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[id]
}

func (e *engine) Wait(ctx context.Context, id deploy.DeploymentID, _ time.Duration) (deploy.Deployment, error) {
	a := e.attempt(id)
	select {
	case <-a.settled:
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.d, nil
	case <-ctx.Done():
		return deploy.Deployment{}, ctx.Err()
	}
}

func (e *engine) Watch(deploy.DeploymentID) *deploy.Watcher { return nil } // feed is there instead

func (e *engine) feed(id deploy.DeploymentID) feed {
	a := e.attempt(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	return feed{lines: a.lines, close: func() {}, dropped: func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.dropped
	}}
}

func (e *engine) Cancel(_ context.Context, app deploy.AppName, id deploy.DeploymentID, by string) (deploy.Deployment, error) {
	if a := e.attempt(id); a != nil && a.push.App == app && a.isOpen() {
		a.canceled <- by
		return deploy.Deployment{ID: a.id, App: app}, nil
	}
	return deploy.Deployment{}, deploy.ErrNothing
}

// received gives the pushes so far.
func (e *engine) received() []deploy.Push {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]deploy.Push(nil), e.pushes...)
}

func (e *engine) answer(refuse error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = refuse
}

func (e *engine) play(script func(*attempt)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script = script
}

func (a *attempt) isOpen() bool {
	select {
	case <-a.settled:
		return false
	default:
		return true
	}
}

// log writes a line, or drops the watcher as the real engine does.
func (a *attempt) log(format string, args ...any) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped {
		return false
	}
	select {
	case a.lines <- deploy.LogLine{Text: fmt.Sprintf(format, args...)}:
		return true
	default:
		a.dropped = true
		close(a.lines)
		return false
	}
}

func (a *attempt) settle(f func(*deploy.Deployment)) {
	a.mu.Lock()
	f(&a.d)
	if !a.dropped {
		a.dropped = true
		close(a.lines)
		defer func() { a.mu.Lock(); a.dropped = false; a.mu.Unlock() }()
	}
	a.mu.Unlock()
	close(a.settled)
}

// promote makes it live: the app's record first, then the ref, as the core does.
func (a *attempt) promote() {
	push := a.push
	release, replaced := 0, 0
	color := deploy.Blue
	a.e.store.change(push.App, func(app *deploy.App) {
		replaced, release, color = app.Live, app.Live+1, app.Idle()
		app.Live, app.Active = release, color
	})
	if err := a.e.repos.Advance(context.Background(), push); err != nil {
		a.e.t.Errorf("cannot move the ref: %v", err)
	}
	a.settle(func(d *deploy.Deployment) {
		d.State, d.Release, d.Replaces, d.Color = deploy.Live, release, replaced, color
		d.Receipt = &deploy.Receipt{
			Replaced: replaced, Requests: 1204, P99Old: 12, P99New: 11, Drained: 3, Sockets: 2,
			Build: 1.1, Start: 0.4, Probe: 0.1, Switch: 2.1, Drain: 0.3,
		}
	})
}

// build reads the tree as a builder does, and promotes what has one.
func (a *attempt) build() {
	src, err := a.e.repos.Source(context.Background(), a.push.App, a.push.New)
	if err == nil {
		_, err = src.Files(context.Background())
	}
	var f *deploy.Failure
	switch {
	case errors.As(err, &f):
		a.fail(f)
	case err != nil:
		a.fail(&deploy.Failure{Step: deploy.StepTeal, Reason: err.Error()})
	default:
		a.promote()
	}
}

// needed gives the commits of the app that did not fail.
func (e *engine) needed(_ context.Context, app deploy.AppName) (commits []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.all {
		a.mu.Lock()
		if a.push.App == app && a.d.State != deploy.Failed {
			commits = append(commits, a.push.New)
		}
		a.mu.Unlock()
	}
	return commits, nil
}

func (a *attempt) fail(f *deploy.Failure) {
	a.settle(func(d *deploy.Deployment) { d.State, d.Failure = deploy.Failed, f })
}

func (a *attempt) end(s deploy.State, note string) {
	a.settle(func(d *deploy.Deployment) { d.State, d.Note = s, note })
}
