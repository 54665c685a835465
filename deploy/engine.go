package deploy

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
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

	// Domain is the server's: an app is served at <app>.<Domain>.
	Domain string
	// Defaults are the settings of an app that says nothing; zero: DefaultSettings.
	Defaults *Settings
	// MaxBuilds is how many builds may run at once over all apps; 0: 1.
	MaxBuilds int
	// Probe asks one instance once and returns nil when it is well; nil: HTTPProbe.
	Probe func(ctx context.Context, addr netip.AddrPort, s Settings) error
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: slog.Default
	// Told is called with every event after it was stored, from any goroutine;
	// it must return at once. May be nil.
	Told func(Event)
}

// Engine is the core.
type Engine struct{}

var errStub = errors.New("not there yet")

// New makes an engine. It starts nothing: Run does.
func New(c Config) *Engine { return &Engine{} }

// Run recovers what an earlier run left, then works until ctx ends, and
// returns when everything it started has ended.
func (e *Engine) Run(ctx context.Context) error { return errStub }

// Ready is closed when recovery is over and every app is routed. Requests to the
// engine before that wait for it.
func (e *Engine) Ready() <-chan struct{} { return nil }

// Receive accepts a push whose objects are stored. It returns the queued
// deployment, or ErrStopping, or ErrNotFound when the app is unknown.
func (e *Engine) Receive(ctx context.Context, p Push) (Deployment, error) {
	return Deployment{}, errStub
}

// Rollback brings a release back: 0 means the previous one ("restart
// previous"). It cancels what is under way left of the bar. ErrNothing when
// there is no such release to go back to, with the reason in the text.
func (e *Engine) Rollback(ctx context.Context, app AppName, release int, by string) (Deployment, error) {
	return Deployment{}, errStub
}

// Redeploy builds the live commit again and deploys it; ErrNothing when nothing is live.
func (e *Engine) Redeploy(ctx context.Context, app AppName, o Options, by string) (Deployment, error) {
	return Deployment{}, errStub
}

// Reconfigure deploys the live image with the app's environment of now, without
// a build; ErrNothing when nothing is live (the next push takes it along).
func (e *Engine) Reconfigure(ctx context.Context, app AppName, by string) (Deployment, error) {
	return Deployment{}, errStub
}

// Patch rebuilds the live commit on refreshed base images, and deploys the
// result if it differs. ErrBusy when a deployment is under way, ErrNothing
// when nothing is live or a rollback pinned the app.
func (e *Engine) Patch(ctx context.Context, app AppName) (Deployment, error) {
	return Deployment{}, errStub
}

// Promote makes the staged release live; ErrNothing when none is staged.
func (e *Engine) Promote(ctx context.Context, app AppName, by string) (Deployment, error) {
	return Deployment{}, errStub
}

// Cancel ends what is under way or staged for the app left of the bar, and
// returns when it really stopped; ErrNothing when there is nothing.
func (e *Engine) Cancel(ctx context.Context, app AppName, by string) (Deployment, error) {
	return Deployment{}, errStub
}

// Destroy removes the app: its route, instances, images, repository, record.
func (e *Engine) Destroy(ctx context.Context, app AppName, by string) error { return errStub }

// Reroute points the router at the app as the store has it: after its domains changed.
func (e *Engine) Reroute(ctx context.Context, app AppName) error { return errStub }

// Wait returns the deployment when it ended, is staged, or is Live; and, once
// it is promoted, after patience at the latest, in whatever state it then is.
func (e *Engine) Wait(ctx context.Context, id DeploymentID, patience time.Duration) (Deployment, error) {
	return Deployment{}, errStub
}

// Watch follows the log of a deployment that is under way. nil: it isn't; read
// its log from the store.
func (e *Engine) Watch(id DeploymentID) *Watcher { return nil }

// Subscribe follows the events of one app, or of all with "". A subscriber that
// does not keep up is closed (C closes), never waited for.
func (e *Engine) Subscribe(app AppName) *Subscription { return nil }

// Watcher receives log lines: first those there are (the last 1,000), then each
// as it is written. C closes when the deployment has settled, or when the
// watcher fell more than 4,096 lines behind (Dropped tells).
type Watcher struct {
	C <-chan LogLine
}

// Dropped tells whether C was closed because its reader was too slow.
func (w *Watcher) Dropped() bool { return false }

// Close stops watching. It may be called twice.
func (w *Watcher) Close() {}

// Subscription receives events.
type Subscription struct {
	C <-chan Event
}

// Close stops the subscription. It may be called twice.
func (s *Subscription) Close() {}
