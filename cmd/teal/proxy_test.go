package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// engineProxy stands between a daemon and the Engine: it can be cut, and it can
// hold a call back.
type engineProxy struct {
	t      *testing.T
	socket string // where it listens
	engine string // where the Engine does

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	hold     *regexp.Regexp // calls that are held back; nil: none
	held     chan struct{}  // closed when a call is held back
	released chan struct{}  // closed when it may go on
}

func newEngineProxy(t *testing.T) *engineProxy {
	t.Helper()
	p := &engineProxy{t: t, socket: filepath.Join(t.TempDir(), "engine.sock"), conns: map[net.Conn]bool{}}
	p.engine = "/var/run/docker.sock"
	if host, ok := os.LookupEnv("DOCKER_HOST"); ok {
		p.engine = regexp.MustCompile(`^unix://`).ReplaceAllString(host, "")
	}
	p.restore()
	t.Cleanup(p.cut)
	return p
}

// args are the flags of a daemon that reaches the Engine through the proxy.
func (p *engineProxy) args() []string { return []string{"--docker-host", "unix://" + p.socket} }

// restore has the Engine answer.
func (p *engineProxy) restore() {
	p.t.Helper()
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
}

// cut takes the Engine away: nobody listens, and what was open breaks off.
func (p *engineProxy) cut() {
	p.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
	}
	p.listener = nil
	for c := range p.conns {
		_ = c.Close()
	}
}

// holdBack has the next call that matches wait ("POST /v1.41/containers/…/start
// HTTP/1.1"), and gives a channel that is closed when one does.
func (p *engineProxy) holdBack(call string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold, p.held, p.released = regexp.MustCompile(call), make(chan struct{}), make(chan struct{})
	return p.held
}

// release lets go what is held back.
func (p *engineProxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released != nil {
		close(p.released)
	}
	p.hold, p.released = nil, nil
}

func (p *engineProxy) serve(client net.Conn) {
	defer p.drop(client)
	server, err := net.Dial("unix", p.engine)
	if err != nil || !p.keep(client) || !p.keep(server) {
		return
	}
	defer p.drop(server)
	back := make(chan struct{})
	go func() {
		defer close(back)
		p.copy(client, server, false)
	}()
	p.copy(server, client, true)
	<-back
}

// copy passes on what comes, and ends with whichever side ends first.
func (p *engineProxy) copy(to, from net.Conn, calls bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if calls {
				p.wait(buf[:n])
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if half, ok := to.(*net.UnixConn); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}

// wait holds a call back if that is wanted. The Engine's client writes the head
// of a request in one piece.
func (p *engineProxy) wait(head []byte) {
	p.mu.Lock()
	released := p.released
	if p.hold == nil || !p.hold.Match(head) {
		p.mu.Unlock()
		return
	}
	p.hold = nil
	close(p.held)
	p.mu.Unlock()
	<-released
}

func (p *engineProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *engineProxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		p.t.Logf("closing the proxy's connection: %v", err)
	}
}
