package router

import (
	"errors"
	"net/http"
	"time"

	"teal/router/http1"
)

// smallBody is up to how many bytes a body is read before an instance is
// claimed: it then goes out in one write with the head, and takes no goroutine.
const smallBody = 16 << 10

// continueAfter is how long a body waits for the instance's 100 Continue
// (RFC 9110 §10.1.1 says not to wait for ever).
const continueAfter = time.Second

// classify learns what is asked.
func (x *exchange) classify() {
	x.websocket = wantsWebSocket(&x.req)
	switch x.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		x.repeatable = x.req.Length == 0
	}
}

// methodName gives the method as a string, without an allocation for the usual ones.
func methodName(b []byte) string {
	for _, m := range [...]string{"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
		if string(b) == m {
			return m
		}
	}
	return string(b)
}

// prepare reads the body if it is small.
func (x *exchange) prepare() *fault {
	if x.req.Length == 0 || x.req.Expects {
		return nil
	}
	body, err := x.client.smallBody(x)
	if err != nil {
		return &fault{faultBody, err}
	}
	x.small = body
	return nil
}

// flows tells whether the body is passed on while it comes.
func (x *exchange) flows() bool { return x.req.Length != 0 && x.small == nil }

// send writes the request, and waits for the first bytes of the answer unless
// a body follows, whose upload it starts.
func (x *exchange) send(c *conn) *fault {
	x.out = x.appendHead(x.out[:0])
	if x.small != nil {
		x.out = x.appendSmall(x.out)
	}
	if x.flows() {
		return x.sendHead(c)
	}
	if len(x.out) > smallBody {
		c.net.SetWriteDeadline(time.Now().Add(x.router.limits.Write))
	}
	c.src.within(x.router, x.now, x.router.limits.AnswerHead)
	x.in.requests.Add(1)
	err := c.src.ask(x.out, c.used)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStale):
		x.in.requests.Add(^uint64(0))
		return &fault{kind: faultStale}
	case c.src.wrote == 0:
		return x.blame(c, faultUnsent, err)
	case c.src.wrote < len(x.out):
		return x.blame(c, faultBroken, err)
	}
	return x.blame(c, faultSilent, err)
}

func (x *exchange) appendSmall(b []byte) []byte {
	if x.req.Length != http1.Chunked {
		return append(b, x.small...)
	}
	if len(x.small) > 0 {
		b = appendChunkLine(b, len(x.small))
		b = append(b, x.small...)
		b = append(b, "\r\n"...)
	}
	return append(b, "0\r\n\r\n"...)
}

// sendHead writes the head of a request whose body flows.
func (x *exchange) sendHead(c *conn) *fault {
	c.net.SetWriteDeadline(time.Now().Add(x.router.limits.Write))
	if n, err := c.net.Write(x.out); err != nil {
		kind := faultUnsent
		if n > 0 {
			kind = faultBroken
		}
		return x.blame(c, kind, err)
	}
	x.in.requests.Add(1)
	if !x.req.Expects {
		x.startUpload(c)
	}
	return nil
}
