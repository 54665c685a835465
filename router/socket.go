package router

import (
	"errors"
	"net"
	"net/http"
	"strings"
)

// switchProtocols makes the two connections a tunnel, and returns when it has ended.
func (x *exchange) switchProtocols(c *conn, resp *http.Response) *fault {
	upgrade := resp.Header["Upgrade"]
	if !x.websocket || len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") ||
		!hasToken(resp.Header["Connection"], "upgrade") {
		return x.blame(c, faultBroken, errors.New("the instance switched protocols unasked"))
	}
	hijacker, ok := x.w.(http.Hijacker)
	if !ok {
		return x.blame(c, faultBroken, errors.New("the client's connection can't be taken over"))
	}
	if !c.state.CompareAndSwap(carrying(x.front), stateTunnel) {
		return &fault{kind: faultCut}
	}
	client, rw, err := hijacker.Hijack()
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
	x.status, x.socket = resp.StatusCode, true
	x.router.ended(&x.place, ending{status: x.status}, x.router.now())
	x.in.sockets.Add(1)
	defer x.in.sockets.Add(-1)
	x.land() // from here on it is a socket, which no drain waits for
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	late, _ := c.br.Peek(c.br.Buffered())
	t.run(x.switchingHead(resp), early, late)
	return nil
}

// switchingHead is the head of the 101 answer, which net/http does not write.
func (x *exchange) switchingHead(resp *http.Response) []byte {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	h := http.Header{}
	copyFields(h, resp.Header)
	if h.Get("X-Request-Id") == "" {
		h.Set("X-Request-Id", x.id)
	}
	x.bind(h)
	for name, values := range h {
		for _, v := range values {
			b = appendField(b, wireName(name), v)
		}
	}
	return append(b, "\r\n"...)
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

// closeWrite ends one direction of a connection.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}
