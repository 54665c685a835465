package gitserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Session is one command that a user sent over SSH.
type Session struct {
	User   string   // the name that belongs to the verified key
	Key    string   // the key's fingerprint
	Args   []string // the words of the command line (ParseCommandLine); none: a shell was asked for
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// PTY: the client asked for a terminal. It did not get one.
	PTY bool
	// Address is the client's.
	Address string
}

// session is a channel of type "session".
type session struct {
	s        *Server
	c        *connection
	ch       gossh.Channel
	user     string
	key      string
	protocol string // GIT_PROTOCOL, when the client sent one that git knows
	pty      bool
	started  chan struct{} // closed when the command has ended; nil before it began

	mu    sync.Mutex
	in    *intake
	pumps sync.WaitGroup
}

// session serves a session from its channel's opening to its end.
func (s *Server) session(c *connection, conn *gossh.ServerConn, nc gossh.NewChannel) {
	defer s.survive("SSH session")
	ok, first := c.begin()
	if !ok {
		_ = nc.Reject(gossh.ResourceShortage, "too many sessions on this connection")
		return
	}
	defer c.end()
	if first {
		go c.keepalive(conn)
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	se := &session{s: s, c: c, ch: ch, user: conn.Permissions.Extensions[grantUser], key: conn.Permissions.Extensions[grantKey]}
	for n := 1; ; n++ {
		req, ok := <-requests
		if !ok {
			break // the channel is closed, or the connection
		}
		if n > s.limits.RequestsPerSession {
			_ = ch.Close()
			continue // read on, or the whole connection stands still
		}
		granted, start := se.request(ctx, req)
		if req.WantReply {
			_ = req.Reply(granted, nil)
		}
		// Not before the reply: a short command could close the channel first.
		if start != nil {
			c.busy()
			go start()
		}
	}
	cancel(errClientGone)
	if se.started != nil {
		<-se.started
	}
	se.pumps.Wait()
}

// request answers one request on the channel. Granted are commands, a shell and
// one environment variable: no terminal, no agent, no X11, no subsystem. start
// is what a granted command does.
func (se *session) request(ctx context.Context, req *gossh.Request) (granted bool, start func()) {
	switch req.Type {
	case "exec", "shell":
		var payload struct{ Line string }
		if se.started != nil || req.Type == "exec" && gossh.Unmarshal(req.Payload, &payload) != nil {
			return false, nil
		}
		se.started = make(chan struct{})
		return true, func() { se.run(ctx, payload.Line) }
	case "env":
		var payload struct{ Name, Value string }
		if se.started != nil || gossh.Unmarshal(req.Payload, &payload) != nil || payload.Name != "GIT_PROTOCOL" {
			return false, nil
		}
		if payload.Value != "version=1" && payload.Value != "version=2" {
			return false, nil
		}
		se.protocol = payload.Value
		return true, nil
	case "pty-req":
		se.pty = se.pty || se.started == nil
	}
	return false, nil
}

// run runs the command and ends the session with its exit status.
func (se *session) run(ctx context.Context, line string) {
	defer close(se.started)
	defer se.c.rest()
	exit := se.dispatch(ctx, line)
	se.mu.Lock()
	if se.in != nil {
		se.in.close()
	}
	se.mu.Unlock()
	_ = se.ch.CloseWrite() // errors: the client is gone
	_, _ = se.ch.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{uint32(exit)}))
	_ = se.ch.Close()
}

// takeInput makes what the client sends readable with deadlines.
func (se *session) takeInput(ctx context.Context, stall time.Duration) *intake {
	in := newIntake(ctx, stall)
	se.mu.Lock()
	se.in = in
	se.mu.Unlock()
	se.pumps.Go(func() { in.pump(se.ch) })
	return in
}

// hurried is the way to a client that is given up when it takes nothing of what
// is written for that long.
type hurried struct {
	w        io.Writer
	patience time.Duration
	late     func()
}

func (h hurried) Write(b []byte) (int, error) {
	timer := time.AfterFunc(h.patience, h.late)
	defer timer.Stop()
	return h.w.Write(b)
}

// reach is what a person types to get here.
func (se *session) reach() string {
	if se.s.reach != "" {
		return se.s.reach
	}
	host, port, err := net.SplitHostPort(se.c.LocalAddr().String())
	if err != nil {
		return "ssh <host>"
	}
	return fmt.Sprintf("ssh -p %s %s", port, host)
}
