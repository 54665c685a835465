package router

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// The states of a connection. Its owner moves it from idle to carrying and
// back; a Drain that cuts moves it from carrying to cut, and exactly one of
// the two wins.
const (
	stateIdle int32 = iota
	stateProduction
	statePreview
	stateTunnel
	stateStream
	stateCut
)

func carrying(f frontEnd) int32 { return stateProduction + int32(f) }

var errHeadTooLarge = errors.New("the head of the answer is too large")

// conn is one HTTP/1.1 connection to an instance. It belongs to one request at
// a time, whose goroutine reads and writes it directly.
type conn struct {
	in    *instance
	net   net.Conn
	src   source
	state atomic.Int32
	used  bool  // it has carried a request
	since int64 // when it was laid on the shelf, by Router.now

	tether tether // aborts it

	// open is what alive found; peek is kept so that looking allocates nothing.
	open bool
	peek func(fd uintptr)
}

// dial opens a connection to the instance and makes it known to its pool.
func (in *instance) dial(ctx context.Context) (*conn, error) {
	d := net.Dialer{Timeout: in.pool.router.limits.Dial}
	nc, err := d.DialContext(ctx, "tcp", in.addr)
	if err != nil {
		return nil, err
	}
	c := &conn{in: in, net: nc}
	c.src.init(nc, &largeBuffers, headRoom)
	c.tether.cut = c.abort
	c.peek = func(fd uintptr) { c.open = silent(fd, &c.src.one) }
	in.pool.register(c)
	return c, nil
}

// alive tells whether an idle connection is open and silent. Bytes that nobody
// asked for make it as unusable as its end does.
func (c *conn) alive() bool {
	c.open = false
	return c.src.empty() && c.src.raw.Control(c.peek) == nil && c.open
}

// begin makes the connection carry a request of the front-end.
func (c *conn) begin(f frontEnd) { c.state.Store(carrying(f)) }

// wasCut tells whether a Drain cut the request that the connection carried.
func (c *conn) wasCut() bool { return c.state.Load() == stateCut }

// streams has the connection carry an event stream, unless a drain has cut it.
func (c *conn) streams(f frontEnd) bool {
	return c.state.CompareAndSwap(carrying(f), stateStream)
}

// cutStream breaks the connection that carries an event stream.
func (c *conn) cutStream() {
	if c.state.CompareAndSwap(stateStream, stateCut) {
		c.net.Close()
	}
}

// settle ends the carrying: the connection is kept when it is whole.
func (c *conn) settle(f frontEnd, whole bool, now int64) {
	if !whole || !c.state.CompareAndSwap(carrying(f), stateIdle) {
		c.close()
		return
	}
	c.src.free()
	c.used = true
	c.since = now
	c.in.keep(c)
}

// abort breaks the connection; safe from any goroutine.
func (c *conn) abort() { c.net.Close() }

func (c *conn) close() {
	c.net.Close()
	c.src.free()
	c.in.pool.unregister(c)
}

// awaitFirstByte waits until the instance says something, at most d.
func (c *conn) awaitFirstByte(d time.Duration) error {
	if !c.src.empty() {
		return nil
	}
	c.src.exactly(d)
	return c.src.fill()
}
