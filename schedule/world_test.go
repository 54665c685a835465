package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what a scheduler sees in a test: apps, stored slots, an engine.
type world struct {
	t      *testing.T
	offset time.Duration // from the clock of the bubble to the clock on the wall
	patch  func(ctx context.Context, app deploy.AppName) (deploy.Deployment, error)
	wait   func(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error)

	mu     sync.Mutex
	apps   []deploy.App
	slots  map[deploy.AppName]time.Time
	of     map[deploy.AppName]string // the schedules that they are of
	runs   []string                  // "app 2006-01-02T15:04:05Z"
	events []string
	broken error // of every call to the slots
}

// at makes a world whose clock shows the time.
func at(t *testing.T, now string, apps ...string) *world {
	w := &world{t: t, offset: time.Until(moment(t, now)), slots: map[deploy.AppName]time.Time{}, of: map[deploy.AppName]string{}}
	for _, name := range apps {
		w.apps = append(w.apps, deploy.App{Name: deploy.AppName(name), Live: 1, Active: deploy.Blue})
	}
	w.patch = func(context.Context, deploy.AppName) (deploy.Deployment, error) {
		return deploy.Deployment{ID: 1, State: deploy.Queued}, nil
	}
	w.wait = func(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
		return deploy.Deployment{ID: id, State: deploy.Live}, nil
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset).UTC()
}

// jump sets the clock on the wall.
func (w *world) jump(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func (w *world) LastSlot(_ context.Context, app deploy.AppName) (time.Time, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.slots[app], w.of[app], w.broken
}

func (w *world) SetSlot(_ context.Context, app deploy.AppName, slot time.Time, schedule string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.slots[app], w.of[app] = slot, schedule
	}
	return w.broken
}

func (w *world) scheduler(change func(*Config)) *Scheduler {
	c := Config{
		Apps: func(context.Context) ([]deploy.App, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.apps), nil
		},
		Slots: w,
		Patch: func(ctx context.Context, app deploy.AppName) (deploy.Deployment, error) {
			now := w.now()
			w.mu.Lock()
			w.runs = append(w.runs, fmt.Sprintf("%s %s", app, now.Format(time.RFC3339)))
			w.mu.Unlock()
			return w.patch(ctx, app)
		},
		Wait: func(ctx context.Context, id deploy.DeploymentID, _ time.Duration) (deploy.Deployment, error) {
			return w.wait(ctx, id)
		},
		Events: func(_ context.Context, e deploy.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, fmt.Sprintf("%s: %s", e.App, e.Text))
			return nil
		},
		Default:  parse(w.t, "30 3 * * *"),
		TimeZone: time.UTC,
		Jitter:   -1,
		Now:      w.now,
		Log:      slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return New(c)
}

// live runs a scheduler for the time, and checks that it ends.
func (w *world) live(d time.Duration, change func(*Config)) {
	w.during(change, func(*Scheduler) { time.Sleep(d) })
}

func (w *world) during(change func(*Config), then func(*Scheduler)) {
	w.t.Helper()
	s := w.scheduler(change)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	then(s)
	cancel()
	if err := <-done; err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

func (w *world) want(runs ...string) {
	w.t.Helper()
	if !slices.Equal(w.runs, runs) {
		w.t.Errorf("runs:\n  %s\nwant:\n  %s", strings.Join(w.runs, "\n  "), strings.Join(runs, "\n  "))
	}
}

func (w *world) wantEvent(part string) {
	w.t.Helper()
	if !slices.ContainsFunc(w.events, func(e string) bool { return strings.Contains(e, part) }) {
		w.t.Errorf("no event with %q in %q", part, w.events)
	}
}
