package router

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"teal/router/http1"
)

// The states of a client's connection: a Serve that ends closes the idle ones
// at once, and the others after the answer they are at.
const (
	clientIdle int32 = iota
	clientBusy
	clientClosed
)

// clientConn is one HTTP/1.1 connection of a client. Its goroutine reads a
// request, takes it through, and reads the next; while it waits for one, it
// holds no buffer.
type clientConn struct {
	door  *door
	sock  net.Conn // what the system knows of it
	net   net.Conn // what is spoken over: TLS, or the same
	who   who
	src   source
	state atomic.Int32

	// The host of the request before, which most often is that of the next.
	hostText, host string

	// The body of the request.
	left   int64 // of a Content-Length
	chunks http1.Chunks
	window int // where what follows the head is read to
	body   bodyState

	// The answer.
	head    []byte // what is to be written next
	rest    source // the last piece of the body, to be written by complete
	framed  bool   // its body is sent in chunks
	over    bool   // its end was sent
	keep    bool   // the connection carries another request
	taken   bool   // the connection is somebody else's
	writeBy int64  // the write deadline that is set, by Router.now

	// tied is what the client's leaving cuts; departed once it has.
	tied     atomic.Pointer[tether]
	patience time.Duration // until its leaving is looked for again; the watch's
	nextLook int64
}

var errDeparted = errors.New("the client has left")

// departed stands in clientConn.tied for what was cut.
var departed = new(tether)

// serve answers the requests of the connection until it ends.
func (c *clientConn) serve() {
	for c.await() {
		x := exchanges.Get().(*exchange)
		x.begin(c.door.router, c.door.end, c, &c.who)
		c.head = x.back
		broken := c.handle(x)
		x.back, c.head = c.head[:0], nil
		x.recycle()
		switch {
		case c.taken:
			return
		case broken:
			c.breakOff()
			return
		case !c.keep || c.body != bodyRead:
			c.linger()
			return
		}
		if c.src.hold = false; c.src.empty() {
			c.src.free()
		}
		if !c.state.CompareAndSwap(clientBusy, clientIdle) {
			break
		}
	}
	c.net.Close()
	c.src.free()
}

// await waits for the first bytes of a request.
func (c *clientConn) await() bool {
	r := c.door.router
	if c.src.empty() {
		c.src.within(r, r.now(), r.limits.Idle)
		if c.src.fill() != nil {
			return false
		}
	}
	return true
}

// handle reads one request and takes it through; true: the connection is to be broken.
func (c *clientConn) handle(x *exchange) (broken bool) {
	defer func() { broken = x.broken }()
	if c.tied.Load() != nil {
		c.tied.Store(nil)
	}
	c.over = true // a head that does not come is no answer broken off
	head, malformed := c.readHead()
	if head == nil && malformed == nil {
		x.broken = true
		return
	}
	if !c.state.CompareAndSwap(clientIdle, clientBusy) {
		x.broken = true
		return
	}
	defer x.end()
	c.keep, c.over, c.framed, c.body = false, false, false, bodyBroken
	if malformed == nil {
		malformed = x.req.Parse(head)
	}
	x.identify()
	x.proto = [...]string{"HTTP/1.0", "HTTP/1.1"}[x.req.Minor]
	if malformed != nil {
		x.req.Discard()
		x.refuse(&refusal{malformed.Status, malformed.Text})
		return
	}
	c.src.skip(len(head))
	c.src.hold, c.window = true, c.src.r
	c.beginBody(&x.req)
	x.method, x.host = methodName(x.req.Method()), c.hostOf(&x.req)
	if no := guardUpgrade(&x.req); no != nil {
		x.refuse(no)
		return
	}
	if x.host == "" && len(x.req.Host()) > 0 {
		x.refuse(&refusal{http.StatusBadRequest, "the Host is not a host name"})
		return
	}
	x.serve()
	return
}

// readHead reads the whole head of a request; nil without an error: it did not come.
func (c *clientConn) readHead() ([]byte, *http1.Error) {
	limits := &c.door.router.limits
	timed := false
	for seen := 0; ; {
		end, next, malformed := http1.End(c.src.atHand(), seen, false)
		switch {
		case malformed != nil:
			return nil, malformed
		case end > limits.MaxHeaderBytes, end == 0 && len(c.src.atHand()) >= limits.MaxHeaderBytes:
			return nil, errRequestTooLarge
		case end > 0:
			return c.src.atHand()[:end], nil
		}
		if !timed {
			timed = true
			c.src.exactly(limits.ReadHeader) // for the whole of it
		}
		seen = next
		err := c.src.fill()
		if errors.Is(err, errFull) && c.makeRoom(limits.MaxHeaderBytes) {
			continue
		}
		if err != nil {
			return nil, nil
		}
	}
}

var errRequestTooLarge = &http1.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Text: "the head of the request is too large"}

// makeRoom moves what is at hand to the begin of the buffer, or to a larger one.
func (c *clientConn) makeRoom(limit int) bool {
	if s := &c.src; s.r > 0 {
		n := copy(*s.buf, s.atHand())
		s.r, s.w = 0, n
		return true
	}
	return c.src.grow(limit)
}

// hostOf gives the plain form of the request's host.
func (c *clientConn) hostOf(r *http1.Request) string {
	if string(r.Host()) != c.hostText {
		c.hostText = string(r.Host())
		c.host = plainHost(c.hostText)
	}
	return c.host
}

// settleDown gives the buffer back, with which a long answer would be waited
// for. While an upload goes on, body and buffer are its goroutine's.
func (c *clientConn) settleDown(x *exchange) {
	if x.upload != nil && !x.upload.complete.Load() {
		return
	}
	if c.body == bodyRead && c.src.empty() && c.src.hold {
		c.giveBack(x)
	}
}

// giveBack frees the buffer while the exchange goes on. What the exchange says
// of the request later, as in the access log, it says from a copy: the buffer
// is the next client's.
func (c *clientConn) giveBack(x *exchange) {
	x.req.Move(make([]byte, x.req.Size()))
	x.cookies, x.login = nil, ""
	if x.small != nil {
		x.small = []byte{} // it was sent
	}
	c.src.hold = false
	c.src.free()
}

func (c *clientConn) readWithin(d time.Duration) {
	if d > 0 {
		c.src.within(c.door.router, c.door.router.now(), d)
	}
}

func (c *clientConn) stopReading() { c.net.SetReadDeadline(time.Unix(1, 0)) }

func (c *clientConn) stopped() { c.src.readBy = 0 }

func (c *clientConn) goAhead(say bool) {
	if say {
		c.armWrite()
		c.net.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
}

func (c *clientConn) takeOver(x *exchange) (net.Conn, []byte, error) {
	if t := c.tied.Load(); t == departed || !c.unwatch(t) {
		return nil, nil, errDeparted
	}
	c.taken = true
	early := append([]byte(nil), c.src.atHand()...)
	c.giveBack(x)
	if w, ok := c.net.(*tcpConn); ok {
		return w.TCPConn, early, nil // which any goroutine may write
	}
	return c.net, early, nil
}

func (c *clientConn) watch(t *tether) { c.tied.Store(t) }

func (c *clientConn) unwatch(t *tether) bool { return c.tied.CompareAndSwap(t, nil) }

func (c *clientConn) gone() bool { return c.tied.Load() == departed }

func (c *clientConn) leaving() (<-chan struct{}, func()) {
	left := make(chan struct{})
	t := &tether{cut: func() { close(left) }}
	c.watch(t)
	return left, func() { c.unwatch(t) }
}

func (c *clientConn) ctx() context.Context { return context.Background() }

// breakOff ends the connection so that nobody takes what was written for an answer.
func (c *clientConn) breakOff() {
	if tcp, ok := c.sock.(*net.TCPConn); ok && !c.over && !c.framed {
		tcp.SetLinger(0) // to some clients the mere end is the end of the answer
	}
	c.sock.Close()
	c.src.free()
	c.rest.free()
}

const (
	// lingerFor is how long a client has to read its last answer before the
	// connection is closed, and lingerBytes how much more it may say; to close
	// with bytes unread would reset the connection and lose the answer.
	lingerFor   = time.Second
	lingerBytes = 256 << 10
)

// linger closes the connection after its last answer.
func (c *clientConn) linger() {
	defer c.net.Close()
	clean := c.body == bodyRead && c.src.empty()
	c.src.free()
	if clean {
		return
	}
	closeWrite(c.net)
	c.net.SetReadDeadline(time.Now().Add(lingerFor))
	buf := requestBuffers.Get().(*[]byte)
	defer requestBuffers.Put(buf)
	for total := 0; total < lingerBytes; {
		n, err := c.net.Read(*buf)
		if total += n; err != nil {
			return
		}
	}
}
