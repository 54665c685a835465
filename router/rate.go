package router

import (
	"sync/atomic"
	"time"
)

const (
	sweepEvery = 500 * time.Millisecond
	rateOver   = 10 * time.Second
	rateMarks  = int(rateOver / sweepEvery)
)

// rate tells how many requests a release got per second lately: the sweep
// notes the count at every turn.
type rate struct {
	marks [rateMarks]atomic.Uint64
	next  atomic.Uint32
}

// mark notes the count of now; one goroutine does.
func (r *rate) mark(count uint64) {
	n := r.next.Load()
	r.marks[n].Store(count)
	r.next.Store((n + 1) % uint32(rateMarks))
}

// perSecond gives the rate since the oldest mark.
func (r *rate) perSecond(count uint64) float64 {
	before := r.marks[r.next.Load()].Load()
	return float64(count-min(before, count)) / rateOver.Seconds()
}
