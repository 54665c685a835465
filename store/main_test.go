package store_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/deploy"
	"teal/store"
)

// TestMain runs the tests; or, started by one of them, the process that it kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEAL_STORE_WRITER"); dir != "" {
		writeForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// fixture is a store in a directory of its own, with the user anna and the app shop.
type fixture struct {
	*store.DB
	dir   string
	clock *clock
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	f := fixture{dir: filepath.Join(t.TempDir(), "data"), clock: newClock()}
	f.DB = openAt(t, f.dir, f.clock)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "anna", Email: "anna@example.com", Admin: true}))
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "shop", CreatedBy: "anna"}))
	return f
}

// reopen closes the store and opens it again, as a restart does.
func (f *fixture) reopen(t testing.TB) {
	t.Helper()
	ok(t, f.Close())
	f.DB = openAt(t, f.dir, f.clock)
}

func config(dir string, c *clock) store.Config {
	return store.Config{Dir: dir, Channels: []string{"mail", "webhook"}, Log: quiet, Now: c.Now}
}

func openAt(t testing.TB, dir string, c *clock) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), config(dir, c))
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

// queued stores a new deployment of shop.
func (f fixture) queued(t testing.TB, cause deploy.Cause) deploy.Deployment {
	t.Helper()
	d, err := f.CreateDeployment(t.Context(), deploy.Deployment{App: "shop", Cause: cause, State: deploy.Queued, By: "anna"}, "queued")
	ok(t, err)
	return d
}

// release stores a new release of shop.
func (f fixture) release(t testing.TB) deploy.Release {
	t.Helper()
	r, err := f.CreateRelease(t.Context(), deploy.Release{App: "shop", Image: "sha256:1", Settings: deploy.DefaultSettings()})
	ok(t, err)
	return r
}

// ready makes the deployment one that can be given to Activate.
func (f fixture) ready(d deploy.Deployment, c deploy.Color, release int) deploy.Deployment {
	d.Color, d.Release, d.State, d.PromotedAt = c, release, deploy.Promoting, f.clock.Now()
	return d
}

// promote takes a new deployment of shop over the bar, to the idle color.
func (f fixture) promote(t testing.TB, cause deploy.Cause, release int) deploy.Deployment {
	t.Helper()
	app := f.shop(t)
	d, err := f.Activate(t.Context(), app.Active, f.ready(f.queued(t, cause), app.Idle(), release), "promoted")
	ok(t, err)
	return d
}

func (f fixture) shop(t testing.TB) deploy.App {
	t.Helper()
	app, err := f.App(t.Context(), "shop")
	ok(t, err)
	return app
}

func (f fixture) state(t testing.TB, id deploy.DeploymentID) deploy.State {
	t.Helper()
	d, err := f.Deployment(t.Context(), id)
	ok(t, err)
	return d.State
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// must gives the value of a call that does not fail in this test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}
