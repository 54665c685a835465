package router

import (
	"sync"
	"sync/atomic"

	"teal/deploy"
)

// pool is everything the router has of one release of an app: its instances
// with their connections, who is in flight, and what was counted. It outlives
// the tables that name it, so that pointing at the same release again keeps all of it.
type pool struct {
	router  *Router
	app     deploy.AppName
	release int
	seen    uint64 // the last Point that named it; guarded by Router.mu

	// flying counts the requests in flight, by front-end.
	flying  [2]atomic.Int64
	sockets atomic.Int64
	streams streams
	figures figures
	rate    rate
	tally   atomic.Pointer[tally] // of the color in which it was pointed at last

	// waiting is how many Drains wait; landed wakes one when nothing flies.
	waiting atomic.Int32
	landed  chan struct{}

	// mu guards what follows. It is taken when a connection or a socket is
	// opened or closed and when the table changes, not by requests but those to HTTP/2 apps.
	mu        sync.Mutex
	instances map[instanceKey]*instance
	conns     map[*conn]struct{}
	calls     map[*call]struct{}
	tunnels   map[*tunnel]struct{}
	// released: its instances are about to stop; no socket is opened any more.
	released bool
}

func newPool(r *Router, app deploy.AppName, release int) *pool {
	return &pool{
		router:    r,
		app:       app,
		release:   release,
		landed:    make(chan struct{}, 1),
		instances: map[instanceKey]*instance{},
		conns:     map[*conn]struct{}{},
		streams:   streams{all: map[*eventStream]struct{}{}},
		calls:     map[*call]struct{}{},
		tunnels:   map[*tunnel]struct{}{},
	}
}

// inFlight is how many requests are being answered now, over both front-ends.
func (p *pool) inFlight() int64 {
	return p.flying[production].Load() + p.flying[preview].Load()
}

// leave takes a request off the count, and tells a Drain that waits for it.
func (p *pool) leave(f frontEnd) {
	if p.flying[f].Add(-1) == 0 && p.waiting.Load() > 0 {
		select {
		case p.landed <- struct{}{}:
		default:
		}
	}
}

// instance gives what the router has of an instance; a new one for one it has not seen.
func (p *pool) instance(in deploy.Instance) *instance {
	key := instanceKey{in.ID, in.Addr}
	p.mu.Lock()
	defer p.mu.Unlock()
	have := p.instances[key]
	if have == nil {
		have = newInstance(p, in)
		p.instances[key] = have
	}
	p.released = false
	return have
}

// keepOnly forgets the instances that no table names any more, and closes
// their idle connections. Requests in flight on them keep theirs.
func (p *pool) keepOnly(named func(*instance) bool) {
	p.mu.Lock()
	var gone []*instance
	for key, in := range p.instances {
		if !named(in) {
			delete(p.instances, key)
			gone = append(gone, in)
		}
	}
	p.mu.Unlock()
	for _, in := range gone {
		in.gone.Store(true)
		in.clearIdle()
	}
}

// closeIdle closes all idle connections of the release.
func (p *pool) closeIdle() {
	for _, in := range p.known() {
		in.clearIdle()
	}
}

func (p *pool) known() []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*instance, 0, len(p.instances))
	for _, in := range p.instances {
		all = append(all, in)
	}
	return all
}

// empty tells whether nothing of the pool is in use.
func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight() == 0 && len(p.tunnels) == 0 && len(p.streams.all) == 0
}

func (p *pool) register(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
}

func (p *pool) unregister(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// cut breaks the connections that carry requests of the front-end, and returns
// how many there were.
func (p *pool) cut(f frontEnd) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.conns {
		if c.state.CompareAndSwap(carrying(f), stateCut) {
			c.net.Close() // its owner sees the error, and that it was cut
			n++
		}
	}
	for c := range p.calls {
		if c.front == f && !c.streams.Load() && !c.begun.Load() && !c.cut.Swap(true) {
			c.cancel()
			n++
		}
	}
	return n
}
