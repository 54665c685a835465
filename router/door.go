package router

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teal/deploy"
)

// door lets clients in by the ports of one front-end. HTTP/1.1 it serves
// itself; a client that speaks HTTP/2 is handed to net/http's server.
type door struct {
	router *Router
	end    frontEnd
	tls    *tls.Config // of its TLS ports
	http2  *http.Server
	handed *handed

	mu        sync.Mutex // guards what follows; taken when a connection opens or closes
	listeners []net.Listener
	conns     map[*clientConn]struct{}
	closing   bool
	open      sync.WaitGroup // the goroutines of connections
}

func newDoor(r *Router, end frontEnd) *door {
	return &door{
		router: r,
		end:    end,
		tls:    tlsFor(r.config.TLS),
		http2:  r.server(end),
		handed: &handed{conns: make(chan net.Conn), closed: make(chan struct{})},
		conns:  map[*clientConn]struct{}{},
	}
}

// tlsFor completes a TLS configuration with what is spoken over it.
func tlsFor(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	for _, protocol := range [...]string{"h2", "http/1.1"} {
		if !slices.Contains(c.NextProtos, protocol) {
			c.NextProtos = append(c.NextProtos[:len(c.NextProtos):len(c.NextProtos)], protocol)
		}
	}
	return c
}

// serve answers on one port until it is closed.
func (d *door) serve(l net.Listener, config *tls.Config) error {
	switch {
	case !d.router.config.NetHTTP:
		return d.accept(l, config)
	case config != nil:
		l = tls.NewListener(l, config)
	}
	return d.http2.Serve(l)
}

// accept lets clients in until the listener is closed.
func (d *door) accept(l net.Listener, config *tls.Config) error {
	const longest = time.Second
	wait := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			wait = 5 * time.Millisecond
			d.open.Go(func() { d.welcome(nc, config) })
		case d.isClosing():
			return http.ErrServerClosed
		case isPassing(err):
			time.Sleep(wait)
			wait = min(2*wait, longest)
		default:
			return err
		}
	}
}

// isPassing tells whether a failure to accept ends by itself: there are too
// many descriptors open, or the client has left already.
func isPassing(err error) bool {
	for _, e := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (d *door) isClosing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closing
}

// welcome finds out what the client speaks, and serves it.
func (d *door) welcome(nc net.Conn, config *tls.Config) {
	c := &clientConn{door: d, sock: socketOf(nc), net: newTCPConn(nc)}
	if !d.enter(c) {
		nc.Close()
		return
	}
	defer d.leave(c)
	boundUnsent(c.sock)
	defer func() {
		if reason := recover(); reason != nil {
			d.router.log.Error("connection panicked", "error", deploy.PanicText(reason), "stack", string(debug.Stack()))
			nc.Close()
		}
	}()
	c.who = who{addr: addressOf(nc.RemoteAddr().String()), scheme: "http"}
	c.who.trusted = d.router.trustsClient(c.who.addr)
	if config != nil && !c.secure(c.net, config) || !c.firstBytes() {
		return
	}
	if config == nil && d.tls != nil && d.end == preview && c.src.atHand()[0] == tlsHandshake {
		config = d.tls // the preview speaks TLS at the same port
		over := &begun{Conn: c.net, early: append([]byte(nil), c.src.atHand()...)}
		c.src.free()
		c.src = source{}
		if !c.secure(over, config) || !c.firstBytes() {
			return
		}
	}
	if config == nil && c.speaksHTTP2() {
		d.handed.give(&begun{Conn: nc, early: append([]byte(nil), c.src.atHand()...)})
		c.src.free()
		return
	}
	c.serve()
}

// tlsHandshake is the first byte of a TLS connection (RFC 8446 §5.1), and of
// no request.
const tlsHandshake = 0x16

// secure goes on over TLS; false: the connection is not this goroutine's any more.
func (c *clientConn) secure(over net.Conn, config *tls.Config) bool {
	tlsConn, err := c.door.handshake(over, config)
	switch {
	case err != nil:
		c.door.router.log.Debug("http", "error", err.Error())
		over.Close()
		return false
	case tlsConn.ConnectionState().NegotiatedProtocol == "h2":
		c.door.handed.give(tlsConn)
		return false
	}
	c.net, c.who.scheme = tlsConn, "https"
	return true
}

// firstBytes waits for the first bytes; false: there are none.
func (c *clientConn) firstBytes() bool {
	c.src.init(c.net, &requestBuffers, 0)
	c.src.exactly(c.door.router.limits.ReadHeader)
	if c.src.fill() != nil {
		c.net.Close()
		return false
	}
	return true
}

// socketOf gives the socket below a connection whose first bytes another one
// has read (a PROXY header).
func socketOf(nc net.Conn) net.Conn {
	if over, ok := nc.(interface{ TCPConn() (*net.TCPConn, bool) }); ok {
		if tcp, ok := over.TCPConn(); ok {
			return tcp
		}
	}
	return nc
}

func (d *door) handshake(nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	nc.SetDeadline(time.Now().Add(d.router.limits.ReadHeader))
	secure := tls.Server(nc, config)
	if err := secure.Handshake(); err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil {
			plain.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS.\n"))
		}
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	return secure, nil
}

// preface is what HTTP/2 begins with (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// speaksHTTP2 tells whether the first bytes are those of HTTP/2; a few are
// enough, since no method of HTTP/1.1 that is let in begins like it.
func (c *clientConn) speaksHTTP2() bool {
	for {
		have := c.src.atHand()
		n := min(len(have), len("PRI * "))
		if string(have[:n]) != preface[:n] {
			return false
		}
		if n == len("PRI * ") {
			return true
		}
		if c.src.fill() != nil {
			return false
		}
	}
}

func (d *door) enter(c *clientConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closing {
		d.conns[c] = struct{}{}
	}
	return !d.closing
}

func (d *door) leave(c *clientConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}

// shut lets nobody in any more, and waits until the answers under way are
// given, or until ctx ends, when they are broken off.
func (d *door) shut(ctx context.Context) {
	d.mu.Lock()
	d.closing = true
	for c := range d.conns {
		if c.state.Swap(clientClosed) == clientIdle {
			c.sock.Close()
		}
	}
	for _, l := range d.listeners {
		l.Close()
	}
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() { defer close(ended); d.open.Wait() }()
	if d.http2.Shutdown(ctx) != nil {
		d.http2.Close()
	}
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	d.mu.Lock()
	for c := range d.conns {
		c.sock.Close()
	}
	d.mu.Unlock()
	<-ended
}

// watch looks, until ctx ends, for clients that have left while an instance
// works on their answer, and breaks its connection, so that the app can stop.
func (d *door) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var waiting []*clientConn
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := d.router.now()
		waiting = waiting[:0]
		d.mu.Lock()
		for c := range d.conns {
			if c.tied.Load() == nil {
				c.patience = 0
			} else if now >= c.nextLook {
				waiting = append(waiting, c)
			}
		}
		d.mu.Unlock()
		for _, c := range waiting {
			c.lookAfter(now)
		}
		clear(waiting)
	}
}

const (
	// watchEvery is how soon a client's leaving is noticed at first, watchRarely
	// how soon when its request has taken long.
	watchEvery  = 50 * time.Millisecond
	watchRarely = time.Second
)

func (c *clientConn) lookAfter(now int64) {
	c.patience = min(max(2*c.patience, watchEvery), watchRarely)
	c.nextLook = now + int64(c.patience)
	t := c.tied.Load()
	if t == nil || t == departed || !c.hasLeft() {
		return
	}
	if c.tied.CompareAndSwap(t, departed) {
		t.cut()
	}
}

// hasLeft tells whether the client has closed its connection, or its side of it.
func (c *clientConn) hasLeft() bool {
	socket, ok := c.sock.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	left := false
	err = raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(polled, 0)
		left = err == nil && n > 0 && polled[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return left || err != nil
}

// handed is the listener by which net/http's server gets the clients that are
// its to serve.
type handed struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (h *handed) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	early []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.early) > 0 {
		n := copy(p, b.early)
		b.early = b.early[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
