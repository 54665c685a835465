package router

import (
	"bytes"
	"errors"
	"net"
	"slices"

	"teal/router/http1"
)

// switchProtocols makes the two connections a tunnel, and returns when it has ended.
func (x *exchange) switchProtocols(c *conn) *fault {
	if !x.websocket || !http1.EqualFold(x.answer.First(http1.Upgrade), "websocket") ||
		!x.answer.HasToken(http1.Connection, "upgrade") {
		return x.blame(c, faultBroken, errors.New("the instance switched protocols unasked"))
	}
	if !c.state.CompareAndSwap(carrying(x.front), stateTunnel) {
		return &fault{kind: faultCut}
	}
	head := x.switchingHead()
	client, early, err := x.client.takeOver(x)
	if err != nil {
		return x.blameClient(c, err)
	}
	defer client.Close()
	x.began = true
	t := &tunnel{pool: x.pool, client: client, upstream: c.net, leaveNow: make(chan struct{})}
	if !x.pool.enter(t) {
		client.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		return &fault{kind: faultCut}
	}
	defer x.pool.exit(t)
	x.status, x.socket = x.answer.Status, true
	x.router.ended(&x.place, ending{status: x.status}, x.router.now())
	x.in.sockets.Add(1)
	defer x.in.sockets.Add(-1)
	x.land() // from here on it is a socket, which no drain waits for
	late := bytes.Clone(c.src.atHand())
	c.src.free()
	t.run(head, early, late)
	return nil
}

// switchingHead is the head of the 101 answer.
func (x *exchange) switchingHead() []byte {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	for _, f := range x.answer.Fields {
		if x.passesBack(f) {
			b = appendField(b, x.answer.NameOf(f), x.answer.Value(f))
		}
	}
	if x.answer.First(http1.XRequestID) == nil {
		b = append(b, "X-Request-Id: "...)
		b = append(x.appendID(b), "\r\n"...)
	}
	return append(x.appendCookies(b), "\r\n"...)
}

// enter makes a socket known; false when the release is about to stop.
func (p *pool) enter(t *tunnel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return false
	}
	p.tunnels[t] = struct{}{}
	p.sockets.Add(1)
	return true
}

func (p *pool) exit(t *tunnel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, in := p.tunnels[t]; in {
		delete(p.tunnels, t)
		p.sockets.Add(-1)
	}
}

func (p *pool) openTunnels() []*tunnel {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*tunnel, 0, len(p.tunnels))
	for t := range p.tunnels {
		all = append(all, t)
	}
	return all
}

func (p *pool) anyOpen(tunnels []*tunnel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(tunnels, func(t *tunnel) bool { _, in := p.tunnels[t]; return in })
}

// closeWrite ends one direction of a connection.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}
