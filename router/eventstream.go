package router

import "sync/atomic"

// eventStream is an answer that lasts for as long as both sides like
// (text/event-stream). Like a socket it is waited for by no drain, and ends
// with the grace of its release.
type eventStream struct{ cut func() }

// streams are those of a pool.
type streams struct {
	count atomic.Int64
	all   map[*eventStream]struct{} // guarded by pool.mu
}

// streamOn makes the request one that no drain waits for any more, if claim
// lets it: a drain may have cut it just now. cut breaks it. end is called when
// it has ended.
func (x *exchange) streamOn(claim func() bool, cut func()) (end func()) {
	p, in := x.pool, x.in
	s := &eventStream{cut: cut}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !claim() {
		return func() {}
	}
	if p.released {
		cut()
	}
	p.streams.all[s] = struct{}{}
	p.streams.count.Add(1)
	in.sockets.Add(1)
	x.land()
	return func() {
		in.sockets.Add(-1)
		p.streams.count.Add(-1)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.streams.all, s)
	}
}

// openStreams gives what breaks each of the pool's streams, and each gRPC call
// that has begun to be answered: it may be one, and drains left it alone.
func (p *pool) openStreams() []func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]func(), 0, len(p.streams.all))
	for s := range p.streams.all {
		all = append(all, s.cut)
	}
	for c := range p.calls {
		if c.begun.Load() {
			all = append(all, c.cutOff)
		}
	}
	return all
}
