package router

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"teal/router/http1"
)

// upload passes a request's body on while the goroutine of the request waits
// for the answer, which may come first.
type upload struct {
	done      chan struct{}
	complete  atomic.Bool
	progress  atomic.Int64 // bytes passed on
	answered  atomic.Bool  // the answer has begun: the two may be talking
	pointless atomic.Bool  // set before the client's reads are stopped
	broken    atomic.Pointer[error]
}

// clientError is how the client's body went wrong; nil if it did not.
func (u *upload) clientError() error {
	if p := u.broken.Load(); p != nil {
		return *p
	}
	return nil
}

func (x *exchange) startUpload(c *conn) {
	u := &upload{done: make(chan struct{})}
	x.upload = u
	x.client.goAhead(x.req.Expects)
	go x.pump(c, u)
}

// pump is the upload's goroutine. The exchange waits for its end.
func (x *exchange) pump(c *conn, u *upload) {
	defer close(u.done)
	if x.pumpBody(c, u) != nil {
		return
	}
	if x.req.Length == http1.Chunked {
		// The client's trailers are not passed on: few apps expect any, and what
		// they name could pass for a header field.
		if _, err := io.WriteString(c.net, "0\r\n\r\n"); err != nil {
			return
		}
	}
	u.complete.Store(true)
}

// chunkRoom is what the size line of a chunk needs in front of its data.
const chunkRoom = 10

func (x *exchange) pumpBody(c *conn, u *upload) error {
	chunked := x.req.Length == http1.Chunked
	var b sizedBuffer
	defer b.release()
	pace := pace{from: x.router.now()}
	for {
		buf := b.next()
		x.client.readWithin(x.router.limits.Body)
		if u.pointless.Load() {
			return errBodyEnded // the deadline that was to stop it may be gone again
		}
		n, err := x.client.read(buf[chunkRoom : len(buf)-2])
		if n > 0 {
			data := buf[chunkRoom : chunkRoom+n]
			if chunked {
				data = frameChunk(buf, n)
			}
			c.net.SetWriteDeadline(time.Now().Add(x.router.limits.Body))
			if _, werr := c.net.Write(data); werr != nil {
				return werr // the answer, if there is one, says why
			}
			u.progress.Add(int64(n))
		}
		if err == nil && !u.answered.Load() && pace.slow(x.router, n) {
			err = errSlow
		}
		b.used(n)
		switch {
		case errors.Is(err, io.EOF):
			x.client.readWithin(0)
			return nil
		case err != nil:
			u.broken.Store(&err)
			c.abort() // an incomplete body must not look like a complete one
			return err
		}
	}
}

// frameChunk puts the size line before, and the line end behind, the n bytes
// that stand at chunkRoom.
func frameChunk(buf []byte, n int) []byte {
	var size [chunkRoom]byte
	line := appendChunkLine(size[:0], n)
	from := chunkRoom - len(line)
	copy(buf[from:], line)
	copy(buf[chunkRoom+n:], "\r\n")
	return buf[from : chunkRoom+n+2]
}

func appendChunkLine(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 16), "\r\n"...)
}

// uploaded tells whether the body was passed on whole. It gives the upload a
// moment: an instance may answer before the goroutine has noted its own end.
func (x *exchange) uploaded() bool {
	u := x.upload
	if u == nil {
		return !x.flows()
	}
	if u.complete.Load() {
		return true
	}
	timer := time.NewTimer(2 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-u.done:
	case <-timer.C:
	}
	return u.complete.Load()
}

// endUpload stops an upload that the answer made pointless, and waits for it.
func (x *exchange) endUpload(c *conn) {
	u := x.upload
	if u == nil {
		return
	}
	if u.complete.Load() {
		<-u.done
		return
	}
	u.pointless.Store(true)
	c.abort()
	x.client.stopReading()
	<-u.done
	x.client.stopped()
}

// errSlow is for a body that comes, but hardly: it counts as one that does not.
var errSlow = fmt.Errorf("the body comes too slowly: %w", os.ErrDeadlineExceeded)

// pace watches over the rate of a body. One byte a minute keeps a deadline
// that every byte moves; it does not keep up with this.
type pace struct {
	from  int64 // of the time that is watched, by Router.now
	bytes int64
}

// slow takes n more bytes in, and tells whether over the last Limits.Body less
// than Limits.MinRate came.
func (p *pace) slow(r *Router, n int) bool {
	p.bytes += int64(n)
	now := r.now()
	over := time.Duration(now - p.from)
	if over < r.limits.Body {
		return false
	}
	slow := float64(p.bytes) < over.Seconds()*float64(r.limits.MinRate)
	p.from, p.bytes = now, 0
	return slow
}
