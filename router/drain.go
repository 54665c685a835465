package router

import (
	"context"
	"sync"
	"time"

	"teal/deploy"
)

// Drain waits until no request is in flight on the release by a front-end that
// no longer points at it, and returns how many were unanswered when ctx ended:
// those are cut. Requests of a front-end that shows the release (the preview of
// the color that was just replaced) are none of a drain's business; sockets and
// event streams are not waited for, and of gRPC calls those that have begun to
// be answered are not cut.
func (r *Router) Drain(ctx context.Context, app deploy.AppName, release int) (cut int) {
	p := r.pool(app, release)
	if p == nil {
		return 0
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	start := r.now()
	defer func() {
		t := p.tally.Load()
		t.drains.observe(time.Duration(r.now() - start))
		t.cuts[cutRequest].Add(uint64(cut))
	}()
	// The tick is for several Drains at once: landed wakes one of them.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		fronts := r.leftBehind(p)
		if p.flyingOn(fronts) == 0 {
			return 0
		}
		select {
		case <-p.landed:
		case <-tick.C:
		case <-ctx.Done():
			for _, f := range r.leftBehind(p) {
				cut += p.cut(f)
			}
			return cut
		}
	}
}

// leftBehind gives the front-ends that do not point at the pool.
func (r *Router) leftBehind(p *pool) []frontEnd {
	e := r.table.Load().app(p.app)
	var fronts []frontEnd
	for _, f := range [...]frontEnd{production, preview} {
		if e == nil || !e.serves(f, p) {
			fronts = append(fronts, f)
		}
	}
	return fronts
}

func (p *pool) flyingOn(fronts []frontEnd) (n int64) {
	for _, f := range fronts {
		n += p.flying[f].Load()
	}
	return n
}

// Release closes what is left open to the release. Its WebSockets get a Close
// frame with status 1001, and its event streams are cut, spread over
// Limits.CloseSpread; the sockets are cut two seconds after the last, or when
// ctx ends.
func (r *Router) Release(ctx context.Context, app deploy.AppName, release int) {
	p := r.pool(app, release)
	if p == nil {
		return
	}
	p.closeIdle()
	p.dismiss(ctx)
	p.closeIdle()
}

// dismiss ends the sockets and streams of the pool.
func (p *pool) dismiss(ctx context.Context) {
	p.mu.Lock()
	p.released = true
	p.mu.Unlock()
	open, cuts := p.openTunnels(), p.openStreams()
	t := p.tally.Load()
	t.cuts[cutSocket].Add(uint64(len(open)))
	t.cuts[cutStream].Add(uint64(len(cuts)))
	for _, t := range open {
		cuts = append(cuts, t.leave)
	}
	if len(cuts) == 0 {
		return
	}
	// A few need no spreading.
	spread := min(p.router.limits.CloseSpread, time.Duration(len(cuts))*10*time.Millisecond)
	each := time.NewTicker(max(spread/time.Duration(len(cuts)), 1))
	defer each.Stop()
	for _, cut := range cuts {
		cut()
		select {
		case <-each.C:
		case <-ctx.Done():
		}
	}
	p.awaitTunnels(ctx, open, leaveGrace)
	for _, t := range open {
		t.cut()
	}
}

// awaitTunnels waits until those that were told to leave have. There may be
// others by then: somebody went back to the release.
func (p *pool) awaitTunnels(ctx context.Context, told []*tunnel, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.anyOpen(told) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// dismissAll ends the sockets of all releases at once.
func (r *Router) dismissAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, p := range r.allPools() {
		wg.Go(func() { p.dismiss(ctx) })
	}
	wg.Wait()
}

func (r *Router) allPools() []*pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*pool
	for _, releases := range r.pools {
		for _, p := range releases {
			all = append(all, p)
		}
	}
	return all
}
