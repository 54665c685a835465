package schedule

import (
	"context"
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
	houseLimit = time.Hour
)

// keepHouse calls Daily until ctx ends. Daily says what it did not manage, and
// tomorrow is another day.
func (s *Scheduler) keepHouse(ctx context.Context) {
	for pause := houseFirst; sleep(ctx, pause); pause = houseEvery {
		begun := s.c.Now()
		if err := s.daily(ctx); err != nil {
			s.c.Log.Warn("housekeeping failed; it is tried again tomorrow", "error", err)
			continue
		}
		s.c.Log.Debug("housekeeping done", "duration", s.c.Now().Sub(begun))
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
