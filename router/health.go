package router

import (
	"sync/atomic"
	"time"
)

// What real traffic tells of an instance: one that refuses a connection is put
// aside at once, and tried again after asideFor (or, if it is checked, when
// the checks say so); one on which brokenLimit requests in a row ended without
// a proper answer is put aside for brokenFor.
const (
	asideFor    = time.Second
	brokenLimit = 3
	brokenFor   = 3 * time.Second
)

// health is what is known of how an instance is. All of it is atomic.
type health struct {
	// asideUntil is when an instance that refused is tried again, by Router.now.
	asideUntil atomic.Int64
	broken     atomic.Int32 // requests in a row without a proper answer
	answered   atomic.Bool  // it has taken a connection

	watched atomic.Bool // it is checked
	down    atomic.Bool // by checks, or refused while watched; the checks take it back
	tripped atomic.Bool // refused since the last check
	last    atomic.Pointer[checked]

	// ill and since are what people are shown.
	ill   atomic.Bool
	since atomic.Int64 // of ill, Unix nanoseconds
}

// well tells whether nothing speaks against asking the instance.
func (in *instance) well(now int64) bool { return !in.health.down.Load() && !in.aside(now) }

// aside tells whether the instance refused a moment ago.
func (in *instance) aside(now int64) bool { return now < in.health.asideUntil.Load() }

// refused notes that no connection was had.
func (in *instance) refused() {
	in.health.asideUntil.Store(in.pool.router.now() + int64(asideFor))
	if in.health.watched.Load() {
		in.health.tripped.Store(true)
		in.health.down.Store(true)
	}
	in.troubled("it takes no connections")
}

// connected notes that a connection was had.
func (in *instance) connected() {
	in.health.asideUntil.Store(0)
	in.health.answered.Store(true)
	if !in.health.down.Load() && in.health.broken.Load() == 0 {
		in.recovered("it takes connections again")
	}
}

// judge notes how a request ended on the instance.
func (in *instance) judge(f *fault) {
	if f == nil {
		if in.health.broken.Load() != 0 {
			in.health.broken.Store(0)
			in.connected()
		}
		return
	}
	switch f.kind {
	case faultSilent, faultBroken, faultLate:
		if in.health.broken.Add(1) >= brokenLimit {
			in.health.asideUntil.Store(in.pool.router.now() + int64(brokenFor))
			in.troubled("its answers are broken")
		}
	}
}

// watch says whether the instance is checked from now on.
func (in *instance) watch(checked bool) {
	if in.health.watched.Swap(checked) && !checked {
		in.health.down.Store(false) // nobody would take it back
		in.health.last.Store(nil)
	}
}

// troubled and recovered tell people, once per change.
func (in *instance) troubled(why string) {
	if !in.health.ill.Swap(true) {
		in.health.since.Store(time.Now().UnixNano())
		in.pool.router.log.Warn("instance is taken out", "app", in.App, "color", in.Color, "release", in.Release, "instance", in.Index, "error", why)
	}
}

func (in *instance) recovered(why string) {
	if in.health.ill.Load() && in.health.ill.Swap(false) {
		in.health.since.Store(time.Now().UnixNano())
		in.pool.router.log.Info("instance is back", "app", in.App, "color", in.Color, "release", in.Release, "instance", in.Index, "reason", why)
	}
}
