package gitserver

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxSources bounds what is remembered of addresses.
const maxSources = 4096

// gate decides which connections may stay. Nobody ever waits in a line: a line
// is what a flood would fill, and honest clients with it.
type gate struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	conns   map[*connection]struct{}
	sources map[netip.Prefix]*standing
	swept   time.Time // when what is little was forgotten of sources, because there were too many
}

// standing is what is remembered of an address.
type standing struct {
	penalty time.Duration // as of at; it goes down with the clock
	at      time.Time
}

func newGate(l Limits, now func() time.Time) *gate {
	return &gate{limits: l, now: now, conns: map[*connection]struct{}{}, sources: map[netip.Prefix]*standing{}}
}

// sourceOf is the unit that limits are counted by: an IPv4 address, or an IPv6
// /64, which is what one customer has. Other networks have none.
func sourceOf(a net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// admit takes a connection in, or says why not. The oldest one without a
// verified key makes room for a new one: an honest client needs a second for
// its handshake, one that only holds a place needs it for ever.
func (g *gate) admit(c *connection) (refused string) {
	c.from = sourceOf(c.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.penalty(c.from) > g.limits.PenaltyThreshold {
		return "too many connections without a login from this address"
	}
	total, here, pending, pendingHere := 0, 0, 0, 0
	var oldest, oldestHere *connection
	for o := range g.conns {
		same := o.from == c.from
		total++
		if same {
			here++
		}
		if o.user != "" || o.dropped {
			continue
		}
		pending++
		oldest = older(oldest, o)
		if same {
			pendingHere++
			oldestHere = older(oldestHere, o)
		}
	}
	switch {
	case pendingHere >= g.limits.HandshakesPerAddress:
		oldestHere.drop()
	case pending >= g.limits.Handshakes:
		oldest.drop()
	case total >= g.limits.Connections:
		return "too many connections"
	case here >= g.limits.ConnectionsPerAddress:
		return "too many connections from this address"
	}
	g.conns[c] = struct{}{}
	c.began = g.now()
	c.timer = time.AfterFunc(g.limits.Handshake, c.stall)
	return ""
}

func older(a, b *connection) *connection {
	if a == nil || b.began.Before(a.began) {
		return b
	}
	return a
}

// penalty is what the address has still to its account.
func (g *gate) penalty(from netip.Prefix) time.Duration {
	s := g.sources[from]
	if s == nil {
		return 0
	}
	return s.penalty - g.now().Sub(s.at)
}

// punish adds to the address's account. The caller holds the lock.
func (g *gate) punish(from netip.Prefix, d time.Duration) {
	if !from.IsValid() {
		return
	}
	if now := g.now(); len(g.sources) >= maxSources && now.Sub(g.swept) >= time.Second {
		g.swept = now
		for p := range g.sources {
			if g.penalty(p) <= g.limits.PenaltyThreshold {
				delete(g.sources, p)
			}
		}
	}
	if len(g.sources) >= maxSources {
		return
	}
	sum := max(0, g.penalty(from)) + d
	g.sources[from] = &standing{penalty: min(sum, 4*g.limits.PenaltyThreshold), at: g.now()}
}

// verified is told of a client that proved its key.
func (g *gate) verified(c *connection, user, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.user, c.key = user, key
	delete(g.sources, c.from)
	c.timer.Stop()
	c.timer = time.AfterFunc(g.limits.Idle, c.close)
}

// left is told of a connection that is over.
func (g *gate) left(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.timer.Stop()
	delete(g.conns, c)
	switch {
	case c.user != "" || c.stalled: // welcome, or punished already
	case c.failed:
		g.punish(c.from, g.limits.PenaltyPerFailedLogin)
	case c.spoke.Load():
		g.punish(c.from, g.limits.PenaltyPerNoLogin)
	}
}

// cut closes the connections for which which returns true.
func (g *gate) cut(which func(c *connection) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if which(c) {
			c.close()
		}
	}
}
