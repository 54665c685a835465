package notify

import (
	"math/rand/v2"
	"time"

	"teal/deploy"
)

const (
	firstPause = time.Minute
	longPause  = time.Hour
	// maxAge and minTries end the tries. Both must be reached, so that a clock
	// that jumps forward does not throw alerts away.
	maxAge   = 3 * 24 * time.Hour
	minTries = 12
)

// pause is the time from a failed try to the next: a minute after the first
// (attempts 0), doubled each time up to an hour, and up to a fifth more, so
// that what failed together does not come again together.
func pause(attempts int) time.Duration {
	d := longPause
	if attempts < 6 { // 1 min << 6 is more than an hour
		d = firstPause << max(attempts, 0)
	}
	return d + rand.N(d/5)
}

// tooOld tells whether a delivery that failed just now has been tried long enough.
func tooOld(d deploy.Delivery, now time.Time) bool {
	return now.Sub(d.CreatedAt) >= maxAge && d.Attempts+1 >= minTries
}

// unreachable is a failure to speak with a server at all: it says nothing about
// the one alert that was to be delivered.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }
func (u *unreachable) Unwrap() error { return u.err }
