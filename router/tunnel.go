package router

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leaveGrace is how long a socket that was told to leave has for its goodbye.
	leaveGrace = 2 * time.Second
	// halfOpen is how long the other direction may be silent after one has ended.
	halfOpen = time.Minute
)

// goingAway is an unmasked Close frame with status 1001 (RFC 6455 §7.4.1).
var goingAway = []byte{0x88, 0x02, 0x03, 0xe9}

// tunnel is a WebSocket: two connections, and bytes that pass both ways.
type tunnel struct {
	pool     *pool
	client   net.Conn
	upstream net.Conn

	// leave closes leaveNow once; leaveBy is set before.
	once     sync.Once
	leaveNow chan struct{}
	leaveBy  atomic.Int64 // Unix nanoseconds

	half atomic.Bool // one direction has ended
}

// run writes the head and what came early in either direction, passes bytes
// until both directions have ended, and closes both connections.
func (t *tunnel) run(head, early, late []byte) {
	t.client.SetDeadline(time.Time{})
	t.upstream.SetDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.end(t.toUpstream(early), t.upstream)
	}()
	t.end(t.toClient(head, late), t.client)
	<-done
	t.cut()
}

// end finishes the direction to to: its end is passed on, an error ends both.
func (t *tunnel) end(err error, to net.Conn) {
	if err != nil || t.half.Swap(true) {
		t.cut()
		return
	}
	closeWrite(to)
	to.SetReadDeadline(time.Now().Add(halfOpen))
}

// cut closes both connections.
func (t *tunnel) cut() {
	t.client.Close()
	t.upstream.Close()
}

// leave asks the tunnel to say goodbye to the client and to end.
func (t *tunnel) leave() {
	t.once.Do(func() {
		t.leaveBy.Store(time.Now().Add(leaveGrace).UnixNano())
		close(t.leaveNow)
		t.upstream.SetReadDeadline(time.Unix(1, 0)) // wakes toClient
	})
}

func (t *tunnel) leaving() bool {
	select {
	case <-t.leaveNow:
		return true
	default:
		return false
	}
}

// toUpstream passes on what the client says; nil at its end.
func (t *tunnel) toUpstream(early []byte) error {
	if len(early) > 0 {
		if err := t.write(t.upstream, early); err != nil {
			return err
		}
	}
	var b sizedBuffer
	defer b.release()
	for {
		buf := b.next()
		n, err := t.client.Read(buf)
		if n > 0 {
			if werr := t.write(t.upstream, buf[:n]); werr != nil {
				return werr
			}
		}
		b.used(n)
		if err != nil {
			return unlessEOF(err)
		}
		if t.half.Load() {
			t.client.SetReadDeadline(time.Now().Add(halfOpen))
		}
	}
}

// toClient passes on what the instance says, following the frames. When the
// tunnel is to leave, it puts a Close frame at the next boundary and drops what
// the instance says after it; the client's goodbye still goes to the instance.
func (t *tunnel) toClient(head, late []byte) error {
	var f frames
	f.advance(late, false)
	if err := t.write(t.client, append(head, late...)); err != nil {
		return err
	}
	var b sizedBuffer
	defer b.release()
	said := false
	for {
		buf := b.next()
		n, err := t.upstream.Read(buf)
		data := buf[:n]
		leaving := t.leaving()
		if !said {
			data = data[:f.advance(data, leaving)]
			said = leaving && f.atBoundary()
			if said {
				data = append(data[:len(data):len(data)], goingAway...)
			}
			if len(data) > 0 {
				if werr := t.write(t.client, data); werr != nil {
					return werr
				}
			}
		}
		b.used(n)
		if err = t.carryOn(err, leaving); err != nil {
			return unlessEOF(err)
		}
	}
}

// carryOn judges the end of a read from the instance, and sets the deadline of the next.
func (t *tunnel) carryOn(err error, leaving bool) error {
	switch {
	case leaving && (err == nil || timedOut(err)):
		by := time.Unix(0, t.leaveBy.Load())
		if time.Now().After(by) {
			return net.ErrClosed
		}
		t.upstream.SetReadDeadline(by)
		return nil
	case timedOut(err) && t.leaving():
		return nil // it was woken just now; the next turn sees it
	case err == nil && t.half.Load():
		t.upstream.SetReadDeadline(time.Now().Add(halfOpen))
	}
	return err
}

// write gives the reader of dst time to read.
func (t *tunnel) write(dst net.Conn, p []byte) error {
	by := time.Now().Add(t.pool.router.limits.Write)
	if t.leaving() {
		by = time.Unix(0, t.leaveBy.Load())
	}
	dst.SetWriteDeadline(by)
	_, err := dst.Write(p)
	return err
}

func unlessEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
