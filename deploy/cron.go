package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Three schedules that name no time of the clock. With the first two the command
// runs when a release has become live, each one or the app's first only; they
// count releases, so that going back to an older one runs nothing again. With the
// third it runs when somebody has it run, see Engine.CronRun.
const (
	CronDeploy      = "@deploy"
	CronFirstDeploy = "@first-deploy"
	CronManual      = "@manual"
)

// OnDeploy tells whether the command waits for a release and not for the clock.
func (c CronJob) OnDeploy() bool { return c.Schedule == CronDeploy || c.Schedule == CronFirstDeploy }

// OnClock tells whether the command waits for the clock.
func (c CronJob) OnClock() bool { return !c.OnDeploy() && c.Schedule != CronManual }

// CronOutcome is how a run of a scheduled command ended; "" while it runs.
type CronOutcome string

// The outcomes.
const (
	CronOK       CronOutcome = "ok"       // exit code 0
	CronFailed   CronOutcome = "failed"   // another one, or it could not be started
	CronTimeout  CronOutcome = "timeout"  // stopped after its Timeout
	CronCanceled CronOutcome = "canceled" // Teal stopped, or the app's releases were changed over and it may not run beside
)

// CronRecord is what is kept of one scheduled command of an app: up to where it
// was dealt with, and how its latest run went.
type CronRecord struct {
	App  AppName
	Name string

	Schedule string    // that Slot is one of; another one makes Slot void
	Slot     time.Time // the latest time of the schedule that was dealt with; zero: none
	Reached  int       // the newest release that was dealt with, for @deploy; 0: none

	// Begun and Ended are of the latest run. Begun is zero before the first one;
	// Ended is zero while it runs.
	Begun, Ended time.Time
	Release      int
	Color        Color
	By           string // who had it run; "": the schedule
	Outcome      CronOutcome
	Exit         Exit
	Reason       string   // one line: "exit code 3"; "" when all is well
	Output       []string // its last lines, secrets redacted

	// FailingSince is when the first of the failures in a row began that the
	// latest run belongs to; zero when that was well. One of another commit
	// begins a new row.
	FailingSince  time.Time
	FailingCommit string
}

// Running tells whether the latest run has not ended.
func (c CronRecord) Running() bool { return !c.Begun.IsZero() && c.Ended.IsZero() }

// CronEntry is a scheduled command of the release that is live.
type CronEntry struct {
	App     AppName
	Release int
	CronJob
	Last CronRecord
}

// Due tells whether a command that waits for a release has one to run for.
func (c CronEntry) Due() bool {
	switch c.Schedule {
	case CronDeploy:
		return c.Last.Reached < c.Release
	case CronFirstDeploy:
		return c.Last.Reached == 0
	default:
		return false
	}
}

// Crons keeps what is known of scheduled commands. Met by the store.
type Crons interface {
	// CronRecords gives those of the app, of all apps with "", by app and name.
	CronRecords(ctx context.Context, app AppName) ([]CronRecord, error)
	// PutCron stores a record in place of the one of that name, with an event (none
	// when its Text is "") and, when it is not nil, an alert once per Episode, in
	// one durable transaction. ErrNotFound when there is no such app.
	PutCron(ctx context.Context, r CronRecord, e Event, alert *Alert) error
}

// CronTable gives the scheduled commands of the app's live release, of all apps
// with "", each with what is known of its runs.
func (e *Engine) CronTable(ctx context.Context, app AppName) ([]CronEntry, error) {
	if e.Crons == nil {
		return nil, nil
	}
	if err := e.waitReady(ctx); err != nil {
		return nil, err
	}
	apps, err := e.cronApps(ctx, app)
	if err != nil {
		return nil, err
	}
	var table []CronEntry
	for _, a := range apps {
		commands, err := e.cronsOf(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, c := range commands {
			table = append(table, CronEntry{App: a.Name, Release: a.Live, CronJob: c})
		}
	}
	if len(table) == 0 {
		return nil, nil
	}
	records, err := e.Crons.CronRecords(ctx, app)
	if err != nil {
		return nil, err
	}
	for i := range table {
		table[i].Last = CronRecord{App: table[i].App, Name: table[i].Name}
		for _, r := range records {
			if r.App == table[i].App && r.Name == table[i].Name {
				table[i].Last = r
			}
		}
	}
	return table, nil
}

func (e *Engine) cronApps(ctx context.Context, app AppName) ([]App, error) {
	if app == "" {
		return e.Store.Apps(ctx)
	}
	a, err := e.Store.App(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", app, err)
	}
	return []App{a}, nil
}

// cronsOf gives the commands of the app's live release. A release never changes,
// so it is read once.
func (e *Engine) cronsOf(ctx context.Context, a App) ([]CronJob, error) {
	if a.Live == 0 {
		return nil, nil
	}
	w := e.worker(a.Name)
	w.mu.Lock()
	known := w.crons.release == a.Live
	list := w.crons.list
	w.mu.Unlock()
	if known {
		return list, nil
	}
	r, err := e.Store.Release(ctx, a.Name, a.Live)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crons.release, w.crons.list = a.Live, r.Settings.Cron
	return r.Settings.Cron, nil
}

// CronSeen records that a command was dealt with up to a time of its schedule
// without a run: it is new, or it was missed for too long. note is told as an
// event; "": nothing is.
func (e *Engine) CronSeen(ctx context.Context, entry CronEntry, slot time.Time, note string) error {
	w := e.worker(entry.App)
	w.mu.Lock()
	defer w.mu.Unlock()
	if run := w.crons.running[entry.Name]; run != nil {
		run.record.Schedule, run.record.Slot = entry.Schedule, slot
		return e.putCron(ctx, run.record, note, nil)
	}
	r, err := w.recordOf(ctx, entry.Name)
	if err != nil {
		return err
	}
	r.Schedule, r.Slot = entry.Schedule, slot
	return e.putCron(ctx, r, note, nil)
}

// CronDue begins the run of a command whose time has come, and returns. The slot
// is marked as dealt with before anything runs, so that no slot is run twice. A
// command whose latest run still goes on is left out this time, and that is
// said. ErrBusy: it can't be run now, and is to be tried again in a moment.
func (e *Engine) CronDue(ctx context.Context, app AppName, name string, slot time.Time) error {
	_, err := e.worker(app).beginCron(ctx, name, slot, "")
	if errors.Is(err, errCronRuns) {
		return nil
	}
	return err
}

// CronRun runs a command now and returns when it has ended, with its output
// written to out line by line. Who asked may leave: the run goes on. ErrBusy when
// it runs already, ErrNotFound when the live release has no such command,
// ErrNothing when nothing is live.
func (e *Engine) CronRun(ctx context.Context, app AppName, name, by string, out io.Writer) (CronRecord, error) {
	run, err := e.worker(app).beginCron(ctx, name, time.Time{}, by)
	if err != nil {
		return CronRecord{}, err
	}
	if err := run.output.follow(ctx, out); err != nil {
		return CronRecord{}, err
	}
	select {
	case <-run.done:
		return run.record, nil
	case <-ctx.Done():
		return CronRecord{}, ctx.Err()
	}
}

// putCron stores a record and tells of it.
func (e *Engine) putCron(ctx context.Context, r CronRecord, text string, alert *Alert) error {
	ev := Event{At: e.Now(), App: r.App, By: r.By, Text: text}
	if err := e.Crons.PutCron(ctx, r, ev, alert); err != nil {
		return fmt.Errorf("cannot store the run of %s of %s: %w", r.Name, r.App, err)
	}
	if text != "" {
		e.told(ev)
	}
	return nil
}
