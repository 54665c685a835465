package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Config is what an Engine is made of.
type Config struct {
	Store        Store
	Repositories Repositories
	Builder      Builder
	Runtime      Runtime
	Bench        Bench
	Router       Router
	Patcher      Patcher
	Inventories  Inventories
	Patches      Patches
	// SetEnv changes an app's environment and gives the app as it then is; it
	// stores the secrets that are made for apps. nil: none are made.
	SetEnv func(ctx context.Context, app AppName, set map[string]string, unset []string) (App, error)
	// Crons keeps what is known of scheduled commands; nil: none are run.
	Crons Crons

	// Domain is the server's: an app is served at <app>.<Domain>.
	Domain string
	// Defaults are the settings of an app that says nothing; nil: DefaultSettings.
	Defaults *Settings
	// MaxBuilds is how many builds may run at once over all apps; 0: 1.
	MaxBuilds int
	// MaxCrons is how many scheduled commands may run at once over all apps; 0: 4.
	MaxCrons int
	// Budget bounds the disk that images take; the zero Budget does not.
	Budget Budget
	// Probe asks one instance once and returns nil when it is well; nil: HTTPProbe.
	Probe func(ctx context.Context, addr netip.AddrPort, host string, s Settings) error
	// Listening tells where the processes of an instance listen ("127.0.0.1:3000"),
	// for the words of a failed probe. May be nil.
	Listening func(ctx context.Context, in Instance) ([]string, error)
	// Observe is how long a switch is watched for its receipt when there is
	// traffic, even if nothing drains; 0: 2 s.
	Observe time.Duration
	// Trial is how long the workers of a new release have to stay up before it is
	// promoted; 0: 2 s.
	Trial time.Duration
	// Retry is the pause before a step right of the bar is tried again; 0: 1 s,
	// doubling to 30 s.
	Retry time.Duration
	// Pace is how often figures are compared while a promotion is gradual or
	// watched; 0: 5 s.
	Pace time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: slog.Default
	// Told is called with every event after it was stored, from any goroutine;
	// it must return at once and not call the engine. May be nil.
	Told func(Event)
}

// Engine is the core: it takes deployments in, runs them one at a time per app,
// and keeps running what the store says is live.
type Engine struct {
	Config
	feed   *feed
	ready  chan struct{}
	over   chan struct{} // closed when Run has ended
	builds *buildQueue
	wake   chan struct{} // a token has all apps looked after
	survey *survey       // what is out of date, as last looked
	// patching is held by the app that is being patched.
	patching chan struct{}
	records  sync.Mutex // held while a PatchRecord is changed
	// cronTurns holds a token for each scheduled command that runs.
	cronTurns chan struct{}

	mu      sync.Mutex
	running context.Context // Run's; nil before Run and after it ended
	tasks   sync.WaitGroup  // every goroutine that Run must wait for
	apps    map[AppName]*worker
	known   map[AppName][]Instance  // what the Engine had when last asked
	jobs    map[DeploymentID]*job   // those that have not settled
	owed    map[DeploymentID]ending // ends that the store did not take yet
}

// New makes an engine. It starts nothing: Run does.
func New(c Config) *Engine {
	if c.Defaults == nil {
		s := DefaultSettings()
		c.Defaults = &s
	}
	if c.MaxBuilds == 0 {
		c.MaxBuilds = 1
	}
	if c.MaxCrons == 0 {
		c.MaxCrons = 4
	}
	if c.Probe == nil {
		c.Probe = HTTPProbe
	}
	if c.Observe == 0 {
		c.Observe = 2 * time.Second
	}
	if c.Trial == 0 {
		c.Trial = 2 * time.Second
	}
	if c.Retry == 0 {
		c.Retry = time.Second
	}
	if c.Pace == 0 {
		c.Pace = paceDefault
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Engine{
		Config:    c,
		feed:      newFeed(),
		ready:     make(chan struct{}),
		over:      make(chan struct{}),
		builds:    newBuildQueue(c.MaxBuilds),
		cronTurns: make(chan struct{}, c.MaxCrons),
		wake:      make(chan struct{}, 1),
		survey:    newSurvey(),
		patching:  make(chan struct{}, 1),
		apps:      map[AppName]*worker{},
		known:     map[AppName][]Instance{},
		jobs:      map[DeploymentID]*job{},
		owed:      map[DeploymentID]ending{},
	}
}

// Run recovers what an earlier run left, then works until ctx ends, and
// returns when everything it started has ended. It may be called once.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.running = ctx
	e.mu.Unlock()
	defer e.stop()

	if err := e.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("cannot recover: %w", err)
	}
	close(e.ready)
	changes := e.Bench.Changes(ctx)
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	past := time.NewTicker(pastEvery * e.Pace)
	defer past.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-changes:
			if !ok {
				changes = nil
			}
		case <-e.wake:
		case <-retry.C:
		case <-past.C:
			e.remember()
			continue
		}
		if err := e.tendAll(); err != nil {
			e.Log.Error("Cannot read the apps; trying again", "error", err)
			retry.Reset(e.Retry)
		}
	}
}

// stop ends what Run started. New work is refused from here on.
func (e *Engine) stop() {
	e.mu.Lock()
	e.running = nil
	e.mu.Unlock()
	e.tasks.Wait()
	e.feed.close()
	close(e.over)
}

// spawn runs f in a goroutine that Run waits for. It refuses when Run is not
// running, so that nothing is started that nobody waits for.
func (e *Engine) spawn(f func(ctx context.Context)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running == nil || e.running.Err() != nil {
		return ErrStopping
	}
	ctx := e.running
	e.tasks.Add(1)
	go func() {
		defer e.tasks.Done()
		defer func() {
			if r := recover(); r != nil { // one app's bug must not take the others down
				e.Log.Error("Panic in the engine", "error", PanicText(r), "stack", string(debug.Stack()))
			}
		}()
		f(ctx)
	}()
	return nil
}

// Ready is closed when recovery is over and every app is routed. Requests to the
// engine before that wait for it.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

func (e *Engine) waitReady(ctx context.Context) error {
	select {
	case <-e.ready:
		return nil
	case <-e.over:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running == nil
}

// worker gives the app's worker; it is made when first asked for, and stays: an
// app that is made anew under the name of one that was destroyed must not be
// looked after by two.
func (e *Engine) worker(app AppName) *worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.apps[app]
	if w == nil {
		w = newWorker(e, app)
		e.apps[app] = w
	}
	return w
}

// Wait returns the deployment when it ended, is staged, or is Live; and, once
// it is promoted, after patience at the latest, in whatever state it then is.
func (e *Engine) Wait(ctx context.Context, id DeploymentID, patience time.Duration) (Deployment, error) {
	e.mu.Lock()
	j := e.jobs[id]
	e.mu.Unlock()
	if j == nil {
		return e.waitRecord(ctx, id, patience)
	}
	select {
	case <-ctx.Done():
		return Deployment{}, ctx.Err()
	case <-j.promoted:
	case <-j.settled:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return Deployment{}, ctx.Err()
	case <-timer.C:
	case <-j.settled:
	}
	return j.snapshot(), nil
}

// waitRecord is Wait for a deployment that no job is busy with: it has settled,
// or the keeper is about to settle it.
func (e *Engine) waitRecord(ctx context.Context, id DeploymentID, patience time.Duration) (Deployment, error) {
	began := time.Now()
	for {
		if end, ok := e.owes(id); ok {
			return end.d, nil
		}
		d, err := e.Store.Deployment(ctx, id)
		switch {
		case err != nil || !d.State.Running():
			return d, err
		case d.State.Committed() && time.Since(began) >= patience, e.isOver():
			return d, nil
		}
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return Deployment{}, ctx.Err()
		}
	}
}

// Watch follows the log of a deployment that is under way. nil: it isn't; read
// its log from the store.
func (e *Engine) Watch(id DeploymentID) *Watcher {
	e.mu.Lock()
	j := e.jobs[id]
	e.mu.Unlock()
	if j == nil {
		return nil
	}
	return j.journal.watch()
}

// Subscribe follows the events of one app, or of all with "". A subscriber that
// does not keep up is closed (C closes), never waited for.
func (e *Engine) Subscribe(app AppName) *Subscription { return e.feed.subscribe(app) }

// told passes a stored event on.
func (e *Engine) told(ev Event) {
	e.feed.publish(ev)
	if e.Told != nil {
		e.Told(ev)
	}
}
