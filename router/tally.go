package router

import (
	"math"
	"sync/atomic"
	"time"

	"teal/deploy"
)

// tally is what is counted for one color of an app over all of its releases,
// for the metrics. It is found when the table is made and held by the side, so
// that a request only adds to it. All of it is atomic.
type tally struct {
	app   deploy.AppName
	color deploy.Color // "": answers that no release was asked for

	codes     [5]atomic.Pointer[[100]atomic.Uint64] // 100 to 599; a hundred is made when first needed
	durations histogram
	retries   [retryReasons]atomic.Uint64
	refused   atomic.Uint64 // connections that were not to be had

	promotions atomic.Uint64
	drains     histogram
	cuts       [cutKinds]atomic.Uint64
}

// tallies are those of one app.
type tallies struct{ blue, green, none *tally }

func newTallies(app deploy.AppName) *tallies {
	of := func(c deploy.Color) *tally {
		t := &tally{app: app, color: c}
		t.durations.bounds, t.drains.bounds = durationBounds, drainBounds
		return t
	}
	return &tallies{blue: of(deploy.Blue), green: of(deploy.Green), none: of("")}
}

func (t *tallies) of(c deploy.Color) *tally {
	switch c {
	case deploy.Blue:
		return t.blue
	case deploy.Green:
		return t.green
	}
	return t.none
}

func (t *tallies) all() [3]*tally { return [...]*tally{t.blue, t.green, t.none} }

// Why a request was tried again.
const (
	retryConnect = iota
	retryMoved
	retryStale
	retrySilent
	retryReasons
)

var retryNames = [retryReasons]string{"connect", "route_changed", "stale_connection", "closed_unanswered"}

// What a drain cut at its end.
const (
	cutRequest = iota
	cutSocket
	cutStream
	cutKinds
)

var cutNames = [cutKinds]string{"request", "socket", "stream"}

// answered counts an answer by its status.
func (t *tally) answered(status int) {
	if status < 100 || status > 599 {
		status = 500
	}
	class := &t.codes[status/100-1]
	codes := class.Load()
	if codes == nil {
		class.CompareAndSwap(nil, new([100]atomic.Uint64))
		codes = class.Load()
	}
	codes[status%100].Add(1)
}

// retried counts a request that is tried again because of a fault.
func (t *tally) retried(k faultKind) {
	switch k {
	case faultDial:
		t.retries[retryConnect].Add(1)
	case faultMoved:
		t.retries[retryMoved].Add(1)
	case faultUnsent, faultStale:
		t.retries[retryStale].Add(1)
	case faultSilent:
		t.retries[retrySilent].Add(1)
	}
}

// The upper bounds of the buckets, in seconds.
var (
	durationBounds = boundsOf(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)
	drainBounds    = boundsOf(.01, .1, 1, 5, 10, 30, 60, 300)
)

// histogram counts durations by bucket. Its counters are made with the first
// one: most of ten thousand apps have had no request yet.
type histogram struct {
	bounds *bounds
	counts atomic.Pointer[counts]
	sum    atomic.Int64 // nanoseconds
}

type (
	bounds []time.Duration
	counts []atomic.Uint64 // one more than bounds
)

func boundsOf(seconds ...float64) *bounds {
	b := make(bounds, len(seconds))
	for i, s := range seconds {
		b[i] = time.Duration(math.Round(s * float64(time.Second)))
	}
	return &b
}

func (h *histogram) observe(d time.Duration) {
	c := h.counts.Load()
	if c == nil {
		made := make(counts, len(*h.bounds)+1)
		h.counts.CompareAndSwap(nil, &made)
		c = h.counts.Load()
	}
	i := 0
	for i < len(*h.bounds) && d > (*h.bounds)[i] {
		i++
	}
	(*c)[i].Add(1)
	h.sum.Add(int64(d))
}

// read gives the histogram as Prometheus wants it: cumulative counts by upper bound.
func (h *histogram) read() (total uint64, sum float64, below map[float64]uint64) {
	below = make(map[float64]uint64, len(*h.bounds))
	c := h.counts.Load()
	if c == nil {
		made := make(counts, len(*h.bounds)+1)
		c = &made
	}
	for i, bound := range *h.bounds {
		total += (*c)[i].Load()
		below[bound.Seconds()] = total
	}
	return total + (*c)[len(*h.bounds)].Load(), time.Duration(h.sum.Load()).Seconds(), below
}
