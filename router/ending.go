package router

import "time"

// ending is how a request ended: plain values, so that every way in can tell.
type ending struct {
	status int // 0: the client left before there was an answer
	fault  *fault
	took   time.Duration // with the time on hold
	// timed: took says something about the speed of the app. It does not for
	// event streams and WebSockets.
	timed bool
}

// ended counts a request, for the figures of its release and for the metrics.
func (r *Router) ended(p *place, e ending, now int64) {
	if p.side == nil {
		t := r.unrouted
		if p.entry != nil {
			t = p.entry.tallies.none
		}
		t.answered(statusOf(e.status))
		return
	}
	p.side.tally.answered(statusOf(e.status))
	failed := e.fault != nil && e.fault.failed()
	p.side.pool.figures.count(failed, failed || e.status >= 500)
	if e.timed && (e.fault == nil || failed) {
		took := e.took - p.held // the release was not there to be quicker
		p.side.pool.figures.took(now, took)
		p.side.tally.durations.observe(took)
	}
}
