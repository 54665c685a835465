package router

import (
	"sync/atomic"
	"time"
)

// defaultHold is how long a request waits on an app whose route does not say.
const defaultHold = 30 * time.Second

// gate is closed before an app while it is on hold (deploy.Route.Hold). The
// requests that wait are the queue: each is its own goroutine, so one whose
// client leaves is out of it at once.
type gate struct {
	opened  chan struct{} // closed when the app is no longer on hold
	waiting atomic.Int64
}

// hold has the request wait until the app is off hold; then the verdict is
// placed, and the caller looks at the table of then.
func (r *Router) hold(e *entry, a *asker, p *place) verdict {
	g := e.gate
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(r.limits.MaxWaiting) {
		return queueFull
	}
	limit := e.route.HoldTime
	if limit <= 0 {
		limit = defaultHold
	}
	start := r.now()
	defer func() { p.held += time.Duration(r.now() - start) }()
	left, forget := a.leaver.leaving()
	defer forget()
	timer := time.NewTimer(limit - p.held)
	defer timer.Stop()
	select {
	case <-g.opened:
		return placed
	case <-timer.C:
		return heldLong
	case <-left:
		return clientLeft
	case <-r.stopping:
		return heldLong
	}
}

// gateOf gives the gate of an app's next entry, nil when it is not on hold. Who
// waits at the gate of the entry before goes on waiting.
func gateOf(hold bool, before *entry) *gate {
	switch {
	case !hold:
		return nil
	case before != nil && before.gate != nil:
		return before.gate
	}
	return &gate{opened: make(chan struct{})}
}

// open lets everybody in when the next entry (nil: the app is gone) has no gate.
func (e *entry) open(next *entry) {
	if e != nil && e.gate != nil && (next == nil || next.gate == nil) {
		close(e.gate.opened)
	}
}
