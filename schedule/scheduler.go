// Package schedule lets things happen by the clock: the patch run of each app,
// the commands that apps have on a schedule, and the housekeeping of the server.
//
// An app's schedule names slots ("every day at 03:30"). The moment of an app's
// run is its slot plus a delay that is the same for that app and slot every
// time it is computed, so that a hundred apps on the server's default do not
// all come at once. One app is patched at a time. What the scheduler has dealt
// with is stored per app as a slot, so that a slot that passed while Teal was
// down is made up once, and none is run twice whatever the clock does.
//
// robfig/cron reads the expressions and counts in them; the loop is ours,
// because the library's own runner forgets what it did when the process ends
// and runs apps side by side.
package schedule

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"teal/deploy"
)

// Slots remembers per app up to which slot of which schedule it was dealt with.
// Met by the store.
type Slots interface {
	// LastSlot gives what is stored; zero when there is none, "" when it is not
	// known of which schedule it was.
	LastSlot(ctx context.Context, app deploy.AppName) (slot time.Time, schedule string, err error)
	// SetSlot stores both, durably.
	SetSlot(ctx context.Context, app deploy.AppName, slot time.Time, schedule string) error
}

// Config is what a Scheduler is made of.
type Config struct {
	// Apps gives every app. It is asked again before each run.
	Apps  func(ctx context.Context) ([]deploy.App, error)
	Slots Slots
	// Patch starts a patch run (deploy.Engine.Patch). ErrBusy, ErrEngineAway: it
	// is tried again later. ErrNothing: there is nothing to patch, with the reason.
	Patch func(ctx context.Context, app deploy.AppName) (deploy.Deployment, error)
	// Window gives the time of day in which the app's runs may begin. nil: at any.
	Window func(ctx context.Context, app deploy.App) deploy.Window
	// Wait returns when a deployment has settled (deploy.Engine.Wait), so that
	// the next app's run begins only then.
	Wait func(ctx context.Context, id deploy.DeploymentID, patience time.Duration) (deploy.Deployment, error)
	// Events stores an event about an app (store.DB.AddEvent). nil: nobody is told.
	Events func(ctx context.Context, e deploy.Event) error
	// Daily is the housekeeping: called soon after the start and then every 24
	// hours, with an hour to finish in. nil: there is none.
	Daily func(ctx context.Context) error

	// Crons are the scheduled commands of apps. nil: there are none.
	Crons Crons
	// Changed tells that a command may have come or gone. nil: a minute's look finds it.
	Changed <-chan struct{}

	// Default is the schedule of an app that has none of its own. The zero Spec
	// is "off".
	Default Spec
	// TimeZone is where the clock of a schedule without CRON_TZ hangs; nil: time.Local.
	TimeZone *time.Location
	// Jitter is the longest delay after a slot; 0: 30 minutes, negative: none. A
	// delay is never longer than half the time to the app's next slot.
	Jitter time.Duration
	// Deadline is how long one app's run may take before the next app's turn;
	// 0: 90 minutes. (The engine's own limits end it long before.)
	Deadline time.Duration

	Now func() time.Time // the clock; nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

const (
	// look is how often the loop looks up at the latest: a schedule that was
	// changed, or a clock that was set, is noticed within it.
	look = time.Minute
	// busyPause and busyTries: how long and how often a run waits for an app in
	// which a deployment is under way.
	busyPause = 10 * time.Minute
	busyTries = 6
	// patience is how long a promoted patch is watched while it drains.
	patience = 2 * time.Minute
	// ahead is how far in the future a stored slot may lie before it is taken
	// for the mark of a clock that was wrong.
	ahead = 24 * time.Hour
)

// Scheduler starts patch runs, scheduled commands and housekeeping when their time has come.
type Scheduler struct {
	c Config

	mu    sync.Mutex
	plans map[deploy.AppName]plan // written by the loop, read by NextRun
}

// plan is what the loop is going to do for one app.
type plan struct {
	spec  string        // it was made for; another one makes it void
	base  time.Time     // dealt with up to here
	slot  time.Time     // the next one; zero: never
	delay time.Duration // jitter
	off   time.Time     // the run is put off until then; zero: it is not
	tries int           // that found the app busy
}

// due is when the run's time has come, whatever the window says.
func (p plan) due() time.Time { return p.slot.Add(p.delay) }

// New makes a scheduler. It starts nothing: Run does.
func New(c Config) *Scheduler {
	if c.TimeZone == nil {
		c.TimeZone = time.Local
	}
	if c.Jitter == 0 {
		c.Jitter = 30 * time.Minute
	}
	if c.Deadline == 0 {
		c.Deadline = 90 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	// Schedules go by the clock on the wall. With its monotonic reading a time is
	// compared by how long the process has run, and a clock that was set, or that
	// stood still while the machine slept, is not noticed.
	now := c.Now
	c.Now = func() time.Time { return now().Round(0) }
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Events == nil {
		c.Events = func(context.Context, deploy.Event) error { return nil }
	}
	if c.Window == nil {
		c.Window = func(context.Context, deploy.App) deploy.Window { return deploy.Window{} }
	}
	if c.Default.Default() {
		c.Default = Spec{text: "off"}
	}
	return &Scheduler{c: c, plans: map[deploy.AppName]plan{}}
}

// Run works until ctx ends, and returns when everything it started has ended.
// It may be called once.
func (s *Scheduler) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	if s.c.Daily != nil {
		beside.Go(func() { s.keepHouse(ctx) })
	}
	if s.c.Crons != nil {
		beside.Go(func() { s.keepTime(ctx) })
	}
	defer beside.Wait()
	for {
		if !sleep(ctx, s.pass(ctx)) {
			return nil
		}
	}
}

// pass runs every app whose time has come, one after the other, and tells how
// long there is nothing to do.
func (s *Scheduler) pass(ctx context.Context) (idle time.Duration) {
	defer s.survive("schedule", &idle)
	for ctx.Err() == nil {
		apps, err := s.c.Apps(ctx)
		if err != nil {
			s.c.Log.Warn("cannot read the apps for their patch runs", "error", err)
			return look
		}
		s.drop(apps)
		app, at := s.first(ctx, apps)
		if at.IsZero() {
			return look
		}
		if wait := at.Sub(s.c.Now()); wait > 0 {
			return min(wait, look)
		}
		s.run(ctx, app)
	}
	return look
}

// first plans every app and gives the one that comes first; of those that are
// late the one that waits longest.
func (s *Scheduler) first(ctx context.Context, apps []deploy.App) (first deploy.App, at time.Time) {
	var since time.Time
	for _, app := range apps {
		p, err := s.plan(ctx, app)
		if err != nil {
			s.c.Log.Warn("cannot plan the patch run", "app", app.Name, "error", err)
			continue
		}
		if p.slot.IsZero() {
			continue
		}
		begin := s.begins(ctx, app, p)
		if at.IsZero() || begin.Before(at) || begin.Equal(at) && p.due().Before(since) {
			first, at, since = app, begin, p.due()
		}
	}
	return first, at
}

// begins is when the app's run starts: at its time, or, when that is over (the
// daemon was down, another app took long), now; in the app's window. The delay
// never carries a run out of the window that its slot was for.
func (s *Scheduler) begins(ctx context.Context, app deploy.App, p plan) time.Time {
	window, zone, now := s.c.Window(ctx, app), s.c.TimeZone, s.c.Now()
	at := p.off
	if at.IsZero() {
		opens := window.Next(p.slot, zone)
		at = opens.Add(p.delay % window.Left(opens, zone))
	} else if at.After(now.Add(busyPause)) {
		at = now // the clock was set back meanwhile
	}
	if at.Before(now.Truncate(time.Second)) {
		at = now.Truncate(time.Second)
	}
	return window.Next(at, zone)
}

// plan gives the app's plan, and makes it when there is none or the schedule
// was changed. A schedule counts from when it was set: what it would have asked
// for before is not made up.
func (s *Scheduler) plan(ctx context.Context, app deploy.App) (plan, error) {
	spec, now := s.spec(app), s.c.Now()
	p, known := s.planned(app.Name)
	if known && p.spec == spec.String() && p.base.Before(now.Add(ahead)) {
		return p, nil
	}
	base := now
	if !known {
		last, of, err := s.c.Slots.LastSlot(ctx, app.Name)
		if err != nil {
			return plan{}, err
		}
		if !last.IsZero() && last.Before(now.Add(ahead)) && (of == "" || of == spec.String()) {
			base = last
		}
	}
	if base.Equal(now) && !spec.Off() {
		if err := s.c.Slots.SetSlot(ctx, app.Name, base, spec.String()); err != nil {
			return plan{}, err
		}
	}
	return s.keep(app.Name, s.after(app.Name, spec, base)), nil
}

// after makes the plan for the first slot after base.
func (s *Scheduler) after(app deploy.AppName, spec Spec, base time.Time) plan {
	p := plan{spec: spec.String(), base: base}
	if slot, ok := spec.Next(base, s.c.TimeZone); ok {
		p.slot, p.delay = slot, s.delay(app, spec, slot)
	}
	return p
}

// delay is the app's jitter in that slot: the same each time it is asked for.
func (s *Scheduler) delay(app deploy.AppName, spec Spec, slot time.Time) time.Duration {
	longest := s.c.Jitter
	if next, ok := spec.Next(slot, s.c.TimeZone); ok {
		longest = min(longest, next.Sub(slot)/2)
	}
	if longest <= 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", app, slot.Unix())
	// FNV's low digits are the well mixed ones only after a fold.
	sum := h.Sum64()
	return time.Duration((sum ^ sum>>32) % uint64(longest)).Truncate(time.Second)
}

// spec is the schedule that holds for the app. A stored one that can't be read
// (it was checked when it was set) counts as off.
func (s *Scheduler) spec(app deploy.App) Spec {
	spec, err := ParseSpec(app.PatchSchedule)
	switch {
	case err != nil:
		return Spec{text: "off"}
	case spec.Default():
		return s.c.Default
	default:
		return spec
	}
}

// NextRun tells when the app will be patched next; false when it won't be: its
// schedule is off, nothing of it is live, or a rollback pinned it.
func (s *Scheduler) NextRun(ctx context.Context, app deploy.App) (time.Time, bool) {
	spec := s.spec(app)
	if spec.Off() || app.PatchPinned || app.Live == 0 {
		return time.Time{}, false
	}
	p, known := s.planned(app.Name)
	if !known || p.spec != spec.String() {
		p = s.after(app.Name, spec, s.c.Now())
	}
	if p.slot.IsZero() {
		return time.Time{}, false
	}
	return s.begins(ctx, app, p), true
}

func (s *Scheduler) planned(app deploy.AppName) (plan, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.plans[app]
	return p, known
}

func (s *Scheduler) keep(app deploy.AppName, p plan) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans[app] = p
	return p
}

// drop forgets the plans of apps that are gone.
func (s *Scheduler) drop(apps []deploy.App) {
	there := make(map[deploy.AppName]bool, len(apps))
	for _, app := range apps {
		there[app.Name] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.plans {
		if !there[name] {
			delete(s.plans, name)
		}
	}
}

// survive is deferred where a panic must not end the loop.
func (s *Scheduler) survive(what string, idle *time.Duration) {
	if p := recover(); p != nil {
		s.c.Log.Error("panic in "+what, "error", deploy.PanicText(p), "stack", string(debug.Stack()))
		*idle = look
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
