package gitserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// connection is one client's TCP connection.
type connection struct {
	net.Conn
	gate *gate
	from netip.Prefix
	ctx  context.Context // ends with the server's, or with the connection

	work  sync.WaitGroup // sessions and the keepalive
	spoke atomic.Bool    // the client sent something

	// The rest is guarded by gate.mu.
	began    time.Time
	timer    *time.Timer // the handshake's deadline; later that of being idle
	user     string      // "" until a key was verified
	key      string      // its fingerprint
	sessions int
	commands int  // of the sessions, those in which one runs
	kept     bool // the keepalive runs
	dropped  bool
	stalled  bool // it was dropped for taking too long
	failed   bool // a key or method was refused
	keyed    bool // keys were exchanged
	over     bool // no session may begin any more
}

// SetDeadline does nothing: the SSH library sets and clears deadlines at every
// read, and would clear ours with them. Timers close the connection instead.
func (c *connection) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, as SetDeadline.
func (c *connection) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, as SetDeadline.
func (c *connection) SetWriteDeadline(time.Time) error { return nil }

// Read notes that the client said something. One that says nothing costs next to
// nothing: a monitor may look every second whether the port is open.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

func (c *connection) close() { _ = c.Conn.Close() } // whoever uses it sees that it is gone

// drop closes it to make room. The caller holds the gate's lock.
func (c *connection) drop() {
	c.dropped = true
	c.close()
}

// stall ends a handshake that takes too long.
func (c *connection) stall() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.user == "" && !c.dropped {
		c.gate.punish(c.from, c.gate.limits.PenaltyPerStalledLogin)
		c.stalled = true
		c.drop()
	}
}

var errKeyedAgain = errors.New("a client exchanges keys once until it has logged in")

// exchange counts a key exchange in. It is the dearest thing that a stranger can
// ask for, so that it is had once, and every connection that had it and brings
// no login is put to the address's account.
func (c *connection) exchange() error {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.keyed && c.user == "" {
		return errKeyedAgain
	}
	c.keyed = true
	return nil
}

// tried notes that a login attempt failed.
func (c *connection) tried() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.failed = true
}

// begin counts a session in. refused: there are as many as may be. first: the
// keepalive is to be started, and counted in with work.
func (c *connection) begin() (ok, first bool) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.over || c.sessions >= c.gate.limits.SessionsPerConnection {
		return false, false
	}
	c.sessions++
	c.work.Add(1)
	if first = !c.kept; first {
		c.kept = true
		c.work.Add(1)
	}
	return true, first
}

// end counts a session out.
func (c *connection) end() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.sessions--
	c.work.Done()
}

// busy counts a command in. A connection in which none runs is idle, whatever
// sessions it has: one that asks for nothing, and one whose client does not
// close it when its command has ended, hold their places no longer than others.
func (c *connection) busy() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.commands++
	c.timer.Stop()
}

// rest counts a command out.
func (c *connection) rest() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.commands--; c.commands == 0 && !c.over {
		c.timer.Reset(c.gate.limits.Idle)
	}
}

// finish waits for what was begun, and lets nothing begin any more.
func (c *connection) finish() {
	c.gate.mu.Lock()
	c.over = true
	c.gate.mu.Unlock()
	c.work.Wait()
}

// keepalive asks the client whether it is there, and cuts one that does not
// answer: a stopped client, or one behind a broken line.
func (c *connection) keepalive(conn gossh.Conn) {
	defer c.work.Done()
	tick := time.NewTicker(c.gate.limits.Keepalive)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		cut := time.AfterFunc(3*c.gate.limits.Keepalive, c.close)
		_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
		cut.Stop()
		if err != nil {
			return
		}
	}
}
