package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"teal/deploy"
)

// run does the app's patch run whose time has come. The slot is marked as dealt
// with before anything happens, so that a patch that takes the daemon down is
// not tried again at each start; the mark is taken back when it turns out that
// nothing was begun.
func (s *Scheduler) run(ctx context.Context, app deploy.App) {
	p, _ := s.planned(app.Name)
	spec, now := s.spec(app), s.c.Now()
	slot := p.slot
	if latest, ok := spec.Latest(p.slot, now, s.c.TimeZone); ok {
		slot = latest
	}
	if err := s.c.Slots.SetSlot(ctx, app.Name, slot, p.spec); err != nil {
		s.c.Log.Warn("cannot mark the patch run, so it waits", "app", app.Name, "error", err)
		s.later(app.Name, p, look)
		return
	}
	next := s.keep(app.Name, s.after(app.Name, spec, slot))
	if app.Live == 0 {
		return // nothing was ever pushed, and every night it is the same nothing
	}
	begun, err := s.patch(ctx, app.Name)
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, deploy.ErrStopping):
		if !begun {
			s.unmark(ctx, app.Name, p)
		}
	case !begun && (errors.Is(err, deploy.ErrBusy) || errors.Is(err, deploy.ErrEngineAway)):
		s.busy(ctx, app.Name, p, next, err)
	case errors.Is(err, deploy.ErrNotFound):
		s.c.Log.Info("patch run ended: the app was destroyed", "app", app.Name)
	case !begun && errors.Is(err, deploy.ErrNothing):
		s.tell(ctx, app.Name, "patch run: "+deploy.Clean(err.Error(), 300))
	default:
		s.c.Log.Warn("patch run failed", "app", app.Name, "error", err)
		if !begun { // else the deployment has told of its failure itself
			s.tell(ctx, app.Name, "patch run failed: "+deploy.Clean(err.Error(), 300))
		}
	}
}

// patch starts the patch of one app and waits for its end. begun tells whether
// there is a deployment that carries the outcome.
func (s *Scheduler) patch(ctx context.Context, app deploy.AppName) (begun bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.Deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.c.Log.Error("panic in a patch run", "app", app, "error", deploy.PanicText(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %s", deploy.PanicText(p))
		}
	}()
	s.c.Log.Info("patch run begins", "app", app)
	d, err := s.c.Patch(ctx, app)
	if err != nil {
		return false, err
	}
	id := d.ID
	d, err = s.c.Wait(ctx, id, patience)
	switch {
	case err != nil:
		return true, fmt.Errorf("deployment %d did not settle: %w", id, err)
	case d.State == deploy.Failed && d.Failure != nil:
		return true, fmt.Errorf("deployment %d failed: %w", id, d.Failure)
	case d.State == deploy.Failed:
		return true, fmt.Errorf("deployment %d failed", id)
	}
	s.c.Log.Info("patch run ended", "app", app, "deployment", id, "state", d.State)
	return true, nil
}

// busy puts the run off, or gives it up when that was done often enough.
func (s *Scheduler) busy(ctx context.Context, app deploy.AppName, p, next plan, why error) {
	if p.tries >= busyTries {
		s.tell(ctx, app, fmt.Sprintf("left out of this patch run: tried for %s, %s; %s",
			busyTries*busyPause, deploy.Clean(why.Error(), 200), s.outlook(next)))
		return
	}
	s.c.Log.Info("patch run put off", "app", app, "error", why)
	p.tries++
	s.later(app, p, busyPause)
	s.unmark(ctx, app, p)
}

// later keeps the plan as it is but for the time of its next try.
func (s *Scheduler) later(app deploy.AppName, p plan, pause time.Duration) {
	p.off = s.c.Now().Add(pause)
	s.keep(app, p)
}

// unmark makes the stored slot what it was before the run, so that a daemon
// that starts anew makes the run up.
func (s *Scheduler) unmark(ctx context.Context, app deploy.AppName, p plan) {
	// Also when ctx has ended: this is the last chance to write it down.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.c.Slots.SetSlot(ctx, app, p.base, p.spec); err != nil {
		s.c.Log.Warn("cannot take the mark of the patch run back; it will not be made up", "app", app, "error", err)
	}
}

// outlook says when the app's next run is.
func (s *Scheduler) outlook(next plan) string {
	if next.slot.IsZero() {
		return "there is no next one"
	}
	return "next " + next.due().In(s.c.TimeZone).Format("Mon 2 Jan 15:04 MST")
}

// tell stores an event about the app. That can fail as everything can; the log has it then.
func (s *Scheduler) tell(ctx context.Context, app deploy.AppName, text string) {
	s.c.Log.Info(text, "app", app)
	if err := s.c.Events(ctx, deploy.Event{At: s.c.Now(), App: app, Text: text}); err != nil {
		s.c.Log.Warn("cannot store the event", "app", app, "error", err)
	}
}
