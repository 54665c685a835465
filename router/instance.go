package router

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"teal/deploy"
)

type instanceKey struct {
	id   string
	addr netip.AddrPort
}

// instance is one instance of a release and the connections to it.
type instance struct {
	deploy.Instance

	pool *pool
	addr string // Addr, as the dialer wants it
	// token is what the cookie of a sticky client says.
	token string

	flying   atomic.Int64
	requests atomic.Uint64
	sockets  atomic.Int64
	// gone: no table names it; its connections are not kept.
	gone  atomic.Bool
	shelf shelf
	// http2 makes, once, what it is asked by over HTTP/2.
	http2 func() *http.Transport
	calls atomic.Pointer[http.Transport] // what http2 has made
	trust trust

	born   int64 // Router.now
	health health
	checks checks
}

func newInstance(p *pool, in deploy.Instance) *instance {
	i := &instance{Instance: in, pool: p, addr: in.Addr.String(), token: p.router.tokenOf(in.ID)}
	i.shelf.size = p.router.limits.MaxIdle
	i.http2 = sync.OnceValue(i.newTransport)
	i.born = p.router.now()
	i.health.since.Store(time.Now().UnixNano())
	return i
}

func (in *instance) betterThan(other, avoid *instance, now int64) bool {
	if a, b := in != avoid && in.well(now), other != avoid && other.well(now); a != b {
		return a
	}
	return in.flying.Load() < other.flying.Load()
}

// used takes an idle connection that may carry the request; nil when there is
// none. With look it has been seen alive; else whoever writes to it looks.
// Dead ones found on the way are closed.
func (in *instance) used(now int64, repeatable, look bool) *conn {
	for {
		c := in.shelf.take()
		if c == nil {
			return nil
		}
		idle := time.Duration(now - c.since)
		if look && !c.alive() {
			in.trust.died(now, idle)
			c.close()
			continue
		}
		if idle >= in.pool.router.limits.UpstreamIdle {
			c.close()
			continue
		}
		if repeatable || in.trust.allows(now, idle) {
			return c
		}
		if idle < youngEnough {
			in.keep(c)
		} else {
			c.close() // the fresh one takes its place
		}
		return nil
	}
}

// keep puts a connection on the shelf, unless there is no use for it.
func (in *instance) keep(c *conn) {
	if !in.shelf.put(c) {
		c.close()
		return
	}
	// The table may have dropped the instance between the look and the put;
	// whoever comes second clears the shelf.
	if in.gone.Load() {
		in.shelf.clear()
	}
}

// clearIdle closes the connections that carry nothing.
func (in *instance) clearIdle() {
	in.shelf.clear()
	if t := in.calls.Load(); t != nil {
		t.CloseIdleConnections()
	}
}

// sweep closes the connections that were idle for too long, and learns from
// the others whether the instance keeps idle connections open.
func (in *instance) sweep(now int64) {
	in.shelf.each(func(c *conn) (keep bool) {
		idle := time.Duration(now - c.since)
		if !c.alive() {
			in.trust.died(now, idle)
			return false
		}
		in.trust.lived(idle)
		return idle < in.pool.router.limits.UpstreamIdle
	})
}
