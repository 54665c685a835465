package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"teal/deploy"
)

// Housekeeping has its own goroutine, because a round of patch runs may take
// hours, and a disk does not wait that long.
const (
	houseFirst = 10 * time.Minute // after the start, when the recovery is over
	houseEvery = 24 * time.Hour
	houseAgain = time.Hour // when the Engine was away
	houseLimit = time.Hour
)

// keepHouse calls Daily until ctx ends. It goes by the clock on the wall: a day
// that a machine slept through is made up, once. Daily says what it did not
// manage, and tomorrow is another day.
func (s *Scheduler) keepHouse(ctx context.Context) {
	due := s.c.Now().Add(houseFirst)
	for sleep(ctx, min(look, max(0, due.Sub(s.c.Now())))) {
		now := s.c.Now()
		if latest := now.Add(houseEvery); due.After(latest) { // the clock was set back
			due = latest
		}
		if now.Before(due) {
			continue
		}
		pause := houseEvery
		switch err := s.daily(ctx); {
		case err == nil:
			s.c.Log.Debug("housekeeping done", "duration", s.c.Now().Sub(now))
		case errors.Is(err, deploy.ErrEngineAway):
			pause = houseAgain
			s.c.Log.Warn("housekeeping failed; it is tried again in an hour", "error", err)
		default:
			s.c.Log.Warn("housekeeping failed; it is tried again tomorrow", "error", err)
		}
		due = s.c.Now().Add(pause)
	}
}

func (s *Scheduler) daily(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, houseLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %s", deploy.PanicText(p))
			s.c.Log.Error("panic in housekeeping", "error", deploy.PanicText(p), "stack", string(debug.Stack()))
		}
	}()
	return s.c.Daily(ctx)
}
