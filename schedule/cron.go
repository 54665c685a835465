package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/deploy"
)

// Crons are the scheduled commands of apps. Met by deploy.Engine, whose
// comments are the contract.
type Crons interface {
	CronTable(ctx context.Context, app deploy.AppName) ([]deploy.CronEntry, error)
	CronSeen(ctx context.Context, entry deploy.CronEntry, slot time.Time, note string) error
	CronDue(ctx context.Context, app deploy.AppName, name string, slot time.Time) error
}

const (
	// cronLate is how long after its time a run that was missed (Teal was down,
	// the clock was set) is made up, once; one that is older is left out.
	cronLate = time.Hour
	// cronPause is how long a run waits that can't be begun at the moment.
	cronPause = 10 * time.Second
	// cronCall bounds the calls of one look.
	cronCall = time.Minute
)

// CheckCron checks the schedule of a command: as ParseSpec, but never off.
func CheckCron(s string) error {
	spec, err := ParseSpec(s)
	if err == nil && (spec.Off() || spec.Default()) {
		err = refuse(s, "it names no time")
	}
	return err
}

// keepTime begins scheduled commands when their time has come, until ctx ends.
func (s *Scheduler) keepTime(ctx context.Context) {
	for {
		timer := time.NewTimer(max(s.cronPass(ctx), 50*time.Millisecond)) // never in a circle
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.c.Changed:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// cronPass begins what is due, and tells how long there is nothing to do.
func (s *Scheduler) cronPass(ctx context.Context) (idle time.Duration) {
	defer s.survive("schedule of commands", &idle)
	ctx, cancel := context.WithTimeout(ctx, cronCall)
	defer cancel()
	table, err := s.c.Crons.CronTable(ctx, "")
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, deploy.ErrStopping) {
			s.c.Log.Warn("cannot read the scheduled commands", "error", err)
		}
		return cronPause
	}
	idle = look
	for _, entry := range table {
		wait, err := s.cron(ctx, entry)
		if err != nil {
			wait = cronPause
			if !errors.Is(err, deploy.ErrBusy) && !errors.Is(err, deploy.ErrStopping) && !errors.Is(err, deploy.ErrNotFound) && ctx.Err() == nil {
				s.c.Log.Warn("cannot run a scheduled command; it is tried again", "app", entry.App, "command", entry.Name, "error", err)
			}
		}
		idle = min(idle, wait)
	}
	return idle
}

// cron begins the command if it is due, and tells how long it is not.
func (s *Scheduler) cron(ctx context.Context, e deploy.CronEntry) (time.Duration, error) {
	if !e.OnClock() {
		if e.Due() {
			return look, s.c.Crons.CronDue(ctx, e.App, e.Name, time.Time{})
		}
		return look, nil
	}
	spec, err := ParseSpec(e.Schedule)
	if err != nil || spec.Off() || spec.Default() {
		return look, nil // it was checked when it was built
	}
	now := s.c.Now()
	if !s.counts(e, now) {
		// A schedule counts from when it was seen first.
		return 0, s.c.Crons.CronSeen(ctx, e, now, "")
	}
	slot, ok := spec.Next(e.Last.Slot, s.c.TimeZone)
	if !ok {
		return look, nil
	}
	if wait := slot.Sub(now); wait > 0 {
		return wait, nil
	}
	if latest, ok := spec.Latest(slot, now, s.c.TimeZone); ok {
		slot = latest
	}
	if late := now.Sub(slot); late > cronLate {
		return 0, s.c.Crons.CronSeen(ctx, e, slot, fmt.Sprintf("%s did not run at %s: Teal was not there, and it is too late to make it up; %s",
			e.Name, slot.In(s.c.TimeZone).Format("Mon 2 Jan 15:04 MST"), s.upcoming(spec, now)))
	}
	return 0, s.c.Crons.CronDue(ctx, e.App, e.Name, slot)
}

// counts tells whether what is stored belongs to the schedule as it is now, and
// not to a clock that was wrong.
func (s *Scheduler) counts(e deploy.CronEntry, now time.Time) bool {
	return e.Last.Schedule == e.Schedule && !e.Last.Slot.IsZero() && e.Last.Slot.Before(now.Add(ahead))
}

func (s *Scheduler) upcoming(spec Spec, now time.Time) string {
	next, ok := spec.Next(now, s.c.TimeZone)
	if !ok {
		return "there is no next run"
	}
	return "next " + next.In(s.c.TimeZone).Format("Mon 2 Jan 15:04 MST")
}

// NextCron tells when the command runs next; false when no time is known for it.
func (s *Scheduler) NextCron(e deploy.CronEntry) (time.Time, bool) {
	spec, err := ParseSpec(e.Schedule)
	if err != nil || !e.OnClock() {
		return time.Time{}, false
	}
	base := s.c.Now()
	if s.counts(e, base) && e.Last.Slot.After(base) {
		base = e.Last.Slot
	}
	next, ok := spec.Next(base, s.c.TimeZone)
	return next.In(s.c.TimeZone), ok
}
