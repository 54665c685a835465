package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A run of a scheduled command is a throw-away container of the release that is
// live when the run begins. A promotion or a rollback leaves it alone: it goes
// on in the release that it began with, until it ends or its time is over. Only
// a single writer, of which no two releases may run, ends it first.
//
//	step                         if we die here
//	store slot, begun            the run is not made up; recovery says that it was cut short
//	wait for a turn, run         as above; the container is swept at the next start
//	store outcome, event, alert

// crons are an app's scheduled commands; guarded by the worker's mu.
type crons struct {
	release int // that list is of
	list    []CronJob
	running map[string]*cronRun // by name
}

// cronRun is one run under way.
type cronRun struct {
	release Release
	command CronJob
	output  *cronOutput
	ctx     context.Context // ends with the run
	cancel  context.CancelCauseFunc
	done    chan struct{}

	record CronRecord // guarded by the worker's mu until done is closed
	left   int        // times of the schedule that were left out meanwhile; guarded by the worker's mu
}

// Why a run does not begin, or ends early.
var (
	errCronRuns   = fmt.Errorf("%w: the run before it goes on", ErrBusy)
	errCronStop   = errors.New("the daemon was stopped")
	errCronDrop   = errors.New("the app was destroyed")
	errCronBug    = errors.New("a bug in Teal ended it; the daemon's log has the details")
	errCronWriter = errors.New("another release takes the place of its own, and no two releases of a single writer may run at once")
)

// cronLate is the cause of a context that ends a run by its own limit.
type cronLate struct{ error }

// beginCron begins a run of the command; see CronDue and CronRun.
func (w *worker) beginCron(ctx context.Context, name string, slot time.Time, by string) (*cronRun, error) {
	if w.e.Crons == nil {
		return nil, fmt.Errorf("%w: this Teal runs no scheduled commands", ErrNothing)
	}
	if err := w.e.waitReady(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return nil, fmt.Errorf("app %s: %w", w.app, ErrNotFound)
	}
	run, err := w.readCron(ctx, name)
	if err != nil {
		return nil, err
	}
	if !slot.IsZero() {
		run.record.Schedule, run.record.Slot = run.command.Schedule, slot
	}
	if err := w.mayBegin(ctx, run, by); err != nil {
		return nil, err
	}
	r := &run.record
	if run.command.OnDeploy() {
		r.Reached = max(r.Reached, run.release.Number)
	}
	r.Begun, r.Ended, r.By, r.Release = w.e.Now(), time.Time{}, by, run.release.Number
	r.Outcome, r.Exit, r.Reason, r.Output = "", Exit{}, "", nil
	if err := w.e.putCron(ctx, *r, "", nil); err != nil {
		return nil, err
	}
	return run, w.startCron(run)
}

// startCron hands the run to a goroutine; with mu held.
func (w *worker) startCron(run *cronRun) error {
	if w.crons.running == nil {
		w.crons.running = map[string]*cronRun{}
	}
	w.crons.running[run.command.Name] = run
	w.switches.Add(1) // a destruction waits for it
	life := w.life
	err := w.e.spawn(func(engine context.Context) {
		defer w.switches.Done()
		defer context.AfterFunc(engine, func() { run.cancel(errCronStop) })()
		defer context.AfterFunc(life, func() { run.cancel(errCronDrop) })()
		w.runCron(engine, run)
	})
	if err != nil { // the engine is stopping: recovery says how this one ended
		delete(w.crons.running, run.command.Name)
		w.switches.Done()
	}
	return err
}

// readCron finds the command in the live release, and what is known of it.
func (w *worker) readCron(ctx context.Context, name string) (*cronRun, error) {
	a, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", w.app, err)
	}
	if a.Live == 0 {
		return nil, fmt.Errorf("%w: nothing of %s is live yet", ErrNothing, w.app)
	}
	r, err := w.e.Store.Release(ctx, w.app, a.Live)
	if err != nil {
		return nil, err
	}
	run := &cronRun{release: r, output: newCronOutput(r.Env), done: make(chan struct{})}
	run.ctx, run.cancel = context.WithCancelCause(context.Background())
	var names []string
	for _, c := range r.Settings.Cron {
		if names = append(names, c.Name); c.Name == name {
			run.command = c
		}
	}
	if run.command.Name == "" {
		if len(names) == 0 {
			names = []string{"none"}
		}
		return nil, fmt.Errorf("%w: %s of %s has no scheduled command %q; it has: %s", ErrNotFound, r.Name(), w.app, Clean(name, 60), strings.Join(names, ", "))
	}
	run.record, err = w.recordOf(ctx, name)
	run.record.Color = a.Active
	return run, err
}

// recordOf gives what is kept of the command; one without a run when nothing is.
func (w *worker) recordOf(ctx context.Context, name string) (CronRecord, error) {
	records, err := w.e.Crons.CronRecords(ctx, w.app)
	for _, r := range records {
		if r.Name == name {
			return r, err
		}
	}
	return CronRecord{App: w.app, Name: name}, err
}

// mayBegin tells whether the run can begin now; with mu held.
func (w *worker) mayBegin(ctx context.Context, run *cronRun, by string) error {
	w.traffic.mu.Lock()
	held := w.traffic.held
	w.traffic.mu.Unlock()
	if held && run.release.Settings.SingleWriter {
		return fmt.Errorf("%w: %s of %s waits: %w", ErrBusy, run.command.Name, w.app, errCronWriter)
	}
	before := w.crons.running[run.command.Name]
	switch {
	case before == nil:
		return nil
	case by != "":
		return fmt.Errorf("%w: %s of %s began at %s", errCronRuns, run.command.Name, w.app, before.record.Begun.UTC().Format("15:04 MST"))
	case run.command.OnDeploy():
		return fmt.Errorf("%w: %s of %s is yet to run for %s", ErrBusy, run.command.Name, w.app, run.release.Name())
	}
	before.left++
	before.record.Schedule, before.record.Slot = run.record.Schedule, run.record.Slot
	text := ""
	if before.left == 1 { // the first is told now, the number of all with the end of that run
		text = fmt.Sprintf("%s is left out this time: the run before it goes on since %s", run.command.Name, before.record.Begun.UTC().Format("15:04:05 MST"))
	}
	if err := w.e.putCron(ctx, before.record, text, nil); err != nil {
		return err
	}
	return errCronRuns
}

// endCrons ends every run of the app, and waits until that has happened.
func (w *worker) endCrons(ctx context.Context, why error) {
	w.mu.Lock()
	var runs []*cronRun
	for _, run := range w.crons.running {
		runs = append(runs, run)
	}
	w.mu.Unlock()
	for _, run := range runs {
		run.cancel(why)
	}
	for _, run := range runs {
		select {
		case <-run.done:
		case <-ctx.Done():
		}
	}
}

// runCron runs the command and stores how it went.
func (w *worker) runCron(engine context.Context, run *cronRun) {
	var exit Exit
	err := errCronBug // unless takeTurn returns
	defer func() {
		w.endCron(run, exit, err)
		run.cancel(nil)
		run.output.end()
		close(run.done)
	}()
	exit, err = w.takeTurn(engine, run)
}

// takeTurn waits until few enough run on this server, and runs the command.
func (w *worker) takeTurn(engine context.Context, run *cronRun) (Exit, error) {
	limit := run.command.Timeout
	wait := time.NewTimer(limit)
	defer wait.Stop()
	select {
	case w.e.cronTurns <- struct{}{}:
		defer func() { <-w.e.cronTurns }()
	case <-wait.C:
		return Exit{}, fmt.Errorf("it had no turn within %s: %d others run on this server", limit, cap(w.e.cronTurns))
	case <-run.ctx.Done():
		return Exit{}, context.Cause(run.ctx)
	}
	if engine.Err() != nil { // the turn came with the end
		return Exit{}, errCronStop
	}
	ctx, cancel := context.WithTimeoutCause(run.ctx, limit, &cronLate{fmt.Errorf("it took longer than %s", limit)})
	defer cancel()
	exit, err := w.e.Bench.Once(ctx, run.release, run.command.Argv, run.output)
	if err != nil && ctx.Err() != nil {
		return exit, context.Cause(ctx)
	}
	return exit, err
}

// endCron stores and tells how the run went, and gives its place back.
func (w *worker) endCron(run *cronRun, exit Exit, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &run.record
	r.Ended, r.Exit, r.Output = w.e.Now(), exit, run.output.last()
	r.Outcome, r.Reason = judgeCron(run, exit, err)
	switch {
	case r.Outcome == CronOK:
		r.FailingSince, r.FailingCommit = time.Time{}, ""
	case r.Outcome == CronCanceled:
	case r.FailingSince.IsZero() || r.FailingCommit != run.release.Commit.ID:
		r.FailingSince, r.FailingCommit = r.Begun, run.release.Commit.ID
	}
	err = w.e.putCron(ctx, *r, cronText(*r, run.left), w.cronAlert(ctx, run))
	if err != nil && !errors.Is(err, ErrNotFound) {
		w.e.Log.Error("A run of a scheduled command is not recorded", "app", w.app, "release", r.Release, "command", r.Name, "error", err)
	}
	delete(w.crons.running, run.command.Name)
	w.e.Log.Info("Scheduled command ended", "app", w.app, "release", r.Release, "command", r.Name, "outcome", r.Outcome, "duration", r.Ended.Sub(r.Begun))
}

// judgeCron says how the run ended, and why, if not well.
func judgeCron(run *cronRun, exit Exit, err error) (CronOutcome, string) {
	var late *cronLate
	switch {
	case errors.As(err, &late):
		return CronTimeout, late.Error()
	case errors.Is(err, errCronStop), errors.Is(err, errCronDrop), errors.Is(err, errCronWriter):
		return CronCanceled, err.Error()
	case err != nil:
		return CronFailed, Clean(err.Error(), 300)
	case exit.OOM:
		return CronFailed, fmt.Sprintf("it used more than its %s of memory and was killed", bytesText(run.release.Settings.Memory))
	case exit.Code != 0:
		return CronFailed, fmt.Sprintf("exit code %d", exit.Code)
	}
	return CronOK, ""
}

// cronText is the event of a run's end.
func cronText(r CronRecord, left int) string {
	verb := map[CronOutcome]string{CronOK: "ran well", CronTimeout: "was stopped", CronCanceled: "was cut short"}[r.Outcome]
	if verb == "" {
		verb = "failed"
	}
	text := fmt.Sprintf("%s of %s %s after %s", r.Name, ReleaseName(r.Release), verb, seconds(r.Ended.Sub(r.Begun)))
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	if left > 0 {
		text += fmt.Sprintf("; left out meanwhile: %s", count(left, "time"))
	}
	return text
}

// cronAlert tells people of the first failure of a row; nil when there is
// nothing to tell. A run that a person began is shown to that person alone.
func (w *worker) cronAlert(ctx context.Context, run *cronRun) *Alert {
	r := run.record
	if r.By != "" || r.Outcome != CronFailed && r.Outcome != CronTimeout {
		return nil
	}
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		w.e.Log.Error("Cannot read the app for its alert", "app", w.app, "error", err)
	}
	lines := r.Output
	r.Output = nil
	return &Alert{
		Episode: fmt.Sprintf("%s/cron/%s/%s/%d", r.App, r.Name, r.FailingCommit, r.FailingSince.UnixMicro()),
		App:     r.App, Pusher: run.release.CreatedBy, Commit: run.release.Commit, Cron: &r,
		Failure: Failure{Step: StepCron, Reason: r.Reason, Log: lines, Hint: cronHint(r)},
		Serving: app.Active, ServingV: app.Live, ServingSince: app.ReplacedAt, At: w.e.Now(),
	}
}

func cronHint(r CronRecord) string {
	if r.Outcome == CronTimeout {
		return "if it needs more time, set its timeout in [cron] of teal.toml"
	}
	if r.Exit.OOM {
		return "raise [limits] memory in teal.toml"
	}
	return ""
}

// endOpenCrons says of runs that an earlier daemon left open that they were cut short.
func (e *Engine) endOpenCrons(ctx context.Context) {
	if e.Crons == nil {
		return
	}
	records, err := e.Crons.CronRecords(ctx, "")
	if err != nil {
		e.Log.Error("Cannot read the scheduled commands", "error", err)
		return
	}
	for _, r := range records {
		if !r.Running() {
			continue
		}
		r.Ended, r.Outcome, r.Reason = e.Now(), CronCanceled, "Teal ended while it ran"
		if err := e.putCron(ctx, r, cronText(r, 0), nil); err != nil {
			e.Log.Error("A run of a scheduled command is not recorded", "app", r.App, "command", r.Name, "error", err)
		}
	}
}
