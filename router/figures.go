package router

import (
	"math/bits"
	"sync/atomic"
	"time"

	"teal/deploy"
)

// halfMinute is how long a window of durations is filled; the last two are read.
const halfMinute = 30 * time.Second

// buckets: eight per power of two of microseconds (a value is known to about
// 6 %), up to about 19 hours.
const buckets = 34 * 8

// figures is what is counted for one release. All of it is atomic.
type figures struct {
	requests atomic.Uint64
	failed   atomic.Uint64
	errors   atomic.Uint64
	windows  [2]atomic.Pointer[window]
}

// window holds the durations of one half minute.
type window struct {
	epoch  int64
	counts [buckets]atomic.Uint32
}

// count adds an answered request.
func (f *figures) count(failed, wrong bool) {
	f.requests.Add(1)
	if failed {
		f.failed.Add(1)
	}
	if wrong {
		f.errors.Add(1)
	}
}

// took adds a duration at the time now (by Router.now). A window whose time is
// over is replaced whole, so that nobody clears what another one fills.
func (f *figures) took(now int64, d time.Duration) {
	epoch := now / int64(halfMinute)
	slot := &f.windows[epoch&1]
	w := slot.Load()
	if w == nil || w.epoch < epoch {
		slot.CompareAndSwap(w, &window{epoch: epoch})
		w = slot.Load()
	}
	w.counts[bucketOf(d)].Add(1)
}

// spread is how the durations of about a minute are distributed.
type spread struct {
	counts [buckets]uint64
	total  uint64
}

// lately gives the spread over this half minute and the last.
func (f *figures) lately(now int64) *spread {
	epoch := now / int64(halfMinute)
	var s spread
	for i := range f.windows {
		w := f.windows[i].Load()
		if w == nil || w.epoch < epoch-1 {
			continue
		}
		for b := range w.counts {
			n := uint64(w.counts[b].Load())
			s.counts[b] += n
			s.total += n
		}
	}
	return &s
}

// percentile gives the duration, in milliseconds, that so many percent of the
// requests did not exceed; 0 when there were none.
func (s *spread) percentile(percent uint64) float64 {
	rank := (s.total*percent + 99) / 100 // the 99th of 100, the 10th of 10
	if rank == 0 {
		return 0
	}
	for b, n := range s.counts {
		if n >= rank {
			return float64(middleOf(b)) / float64(time.Millisecond)
		}
		rank -= n
	}
	return 0
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0) / time.Microsecond)
	if v < 8 {
		return int(v)
	}
	e := bits.Len64(v) - 1
	return min((e-2)*8+int(v>>(e-3)&7), buckets-1)
}

func middleOf(bucket int) time.Duration {
	if bucket < 8 {
		return time.Duration(bucket)*time.Microsecond + time.Microsecond/2
	}
	shift := bucket/8 - 1
	low := time.Duration(8+bucket%8) << shift
	return low*time.Microsecond + (time.Microsecond<<shift)/2
}

func (p *pool) snapshot(now int64) deploy.Figures {
	lately := p.figures.lately(now)
	return deploy.Figures{
		Requests: p.figures.requests.Load(),
		Failed:   p.figures.failed.Load(),
		InFlight: int(p.inFlight()),
		Sockets:  int(p.sockets.Load() + p.streams.count.Load()),
		Errors:   p.figures.errors.Load(),
		P99:      lately.percentile(99),
		P50:      lately.percentile(50),
	}
}

// Figures gives what was counted for the release; zero for one never seen.
func (r *Router) Figures(app deploy.AppName, release int) deploy.Figures {
	p := r.pool(app, release)
	if p == nil {
		return deploy.Figures{}
	}
	return p.snapshot(r.now())
}
