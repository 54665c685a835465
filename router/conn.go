package router

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
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
	stateCut
)

func carrying(f frontEnd) int32 { return stateProduction + int32(f) }

var errHeadTooLarge = errors.New("the head of the answer is too large")

// conn is one HTTP/1.1 connection to an instance. It belongs to one request at
// a time, whose goroutine reads and writes it directly.
type conn struct {
	in    *instance
	net   net.Conn
	raw   syscall.RawConn
	state atomic.Int32
	used  bool  // it has carried a request
	since int64 // when it was laid on the shelf, by Router.now
	br    *bufio.Reader
	out   []byte // the head being written; kept for its memory

	// budget is how many bytes of a head may still be read; below zero: unlimited.
	budget int64
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
	c := &conn{in: in, net: nc, budget: -1}
	c.br = bufio.NewReaderSize(c, 4<<10)
	c.raw, err = nc.(syscall.Conn).SyscallConn()
	if err != nil {
		nc.Close()
		return nil, err
	}
	c.peek = c.look
	in.pool.register(c)
	return c, nil
}

// Read reads from the socket and enforces the limit of a head.
func (c *conn) Read(p []byte) (int, error) {
	if c.budget == 0 {
		return 0, errHeadTooLarge
	}
	if c.budget > 0 && int64(len(p)) > c.budget {
		p = p[:c.budget]
	}
	n, err := c.net.Read(p)
	if c.budget > 0 {
		c.budget -= int64(n)
	}
	return n, err
}

// alive tells whether an idle connection is open and silent. Bytes that nobody
// asked for make it as unusable as its end does.
func (c *conn) alive() bool {
	c.open = false
	if c.br.Buffered() > 0 || c.raw.Control(c.peek) != nil {
		return false
	}
	return c.open
}

func (c *conn) look(fd uintptr) {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err == syscall.EINTR {
			continue
		}
		c.open = err == syscall.EAGAIN
		return
	}
}

// begin makes the connection carry a request of the front-end.
func (c *conn) begin(f frontEnd) { c.state.Store(carrying(f)) }

// wasCut tells whether a Drain cut the request that the connection carried.
func (c *conn) wasCut() bool { return c.state.Load() == stateCut }

// settle ends the carrying: the connection is kept when it is whole.
func (c *conn) settle(f frontEnd, whole bool) {
	if !whole || !c.state.CompareAndSwap(carrying(f), stateIdle) {
		c.close()
		return
	}
	c.used = true
	c.since = c.in.pool.router.now()
	c.in.keep(c)
}

// abort breaks the connection; safe from any goroutine.
func (c *conn) abort() { c.net.Close() }

func (c *conn) close() {
	c.net.Close()
	c.in.pool.unregister(c)
}

// awaitFirstByte waits until the instance says something.
func (c *conn) awaitFirstByte(d time.Duration) error {
	if c.br.Buffered() > 0 {
		return nil
	}
	if err := c.net.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	_, err := c.br.Peek(1)
	return err
}
