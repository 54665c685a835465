package router

import (
	"io"
	"net/http"
	"time"
)

// smallBody is up to how many bytes a body is read before an instance is
// claimed: it then goes out in one write with the head, and takes no goroutine.
const smallBody = 16 << 10

// continueAfter is how long a body waits for the instance's 100 Continue
// (RFC 9110 §10.1.1 says not to wait for ever).
const continueAfter = time.Second

// prepare learns what the body is, and reads it if it is small.
func (x *exchange) prepare() *fault {
	r := x.r
	x.websocket = wantsWebSocket(r)
	hasBody := r.ContentLength != 0
	x.expects = hasBody && r.ProtoAtLeast(1, 1) && hasToken(r.Header["Expect"], "100-continue")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		x.repeatable = !hasBody
	}
	if !hasBody || x.expects || r.ContentLength < 0 || r.ContentLength > smallBody {
		return nil
	}
	x.readDeadline(time.Now().Add(x.router.limits.Body))
	x.small = make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, x.small); err != nil {
		return &fault{faultBody, err}
	}
	x.readDeadline(time.Time{})
	return nil
}

func (x *exchange) readDeadline(t time.Time) {
	if w, ok := x.w.(interface{ SetReadDeadline(time.Time) error }); ok {
		w.SetReadDeadline(t)
	}
}

// send writes the head, with the body if it was small, and starts the upload
// of one that was not.
func (x *exchange) send(c *conn) *fault {
	c.out = x.appendHead(c.out[:0])
	c.out = append(c.out, x.small...)
	if len(c.out) > smallBody {
		c.net.SetWriteDeadline(time.Now().Add(x.router.limits.Write))
	}
	n, err := c.net.Write(c.out)
	if cap(c.out) > 4*smallBody {
		c.out = nil
	}
	if err != nil {
		kind := faultUnsent
		if n > 0 {
			kind = faultBroken
		}
		return x.blame(c, kind, err)
	}
	if x.streams() && !x.expects {
		x.startUpload(c)
	}
	return nil
}

// streams tells whether the body is passed on while it comes.
func (x *exchange) streams() bool { return x.r.ContentLength != 0 && x.small == nil }
