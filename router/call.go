package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"teal/deploy"
	"teal/router/http1"
)

// Apps that speak HTTP/2 without TLS (deploy.H2C, deploy.GRPC) are asked by
// net/http's transport: many requests share a connection, and it knows which of
// them an instance that leaves has not looked at. WebSockets go by HTTP/1.1.

// call is one request on its way over HTTP/2.
type call struct {
	front  frontEnd
	cancel context.CancelFunc // safe from any goroutine
	cut    atomic.Bool        // by a drain that has ended
	// begun: it is gRPC, and has begun to be answered; streams: it is an event stream.
	begun, streams atomic.Bool
	body           *callBody // nil: none that flows
}

// cutOff ends the call in the name of a drain.
func (c *call) cutOff() {
	if !c.cut.Swap(true) {
		c.cancel()
	}
}

// callWindow is how much of an answer an instance may send ahead of the
// client's reading: what a slow client costs.
const callWindow = 64 << 10

// multiplexed tells whether the request goes over HTTP/2.
func (x *exchange) multiplexed() bool {
	return x.side.backend.Protocol != deploy.HTTP1 && !x.websocket
}

// newTransport makes what the instance is asked by over HTTP/2.
func (in *instance) newTransport() *http.Transport {
	limits := in.pool.router.limits
	t := deploy.H2C.Transport()
	t.IdleConnTimeout = limits.UpstreamIdle
	t.MaxResponseHeaderBytes = limits.MaxHeadBytes
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: limits.Dial}
		c, err := d.DialContext(ctx, "tcp", in.addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return c, nil
	}
	t.HTTP2 = &http.HTTP2Config{
		MaxReceiveBufferPerStream: callWindow,
		SendPingTimeout:           15 * time.Second,
		PingTimeout:               5 * time.Second,
		WriteByteTimeout:          limits.Write,
	}
	in.calls.Store(t)
	return t
}

// dialError tells that there was no connection to be had.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// call makes one attempt over HTTP/2. A nil fault means that the client has its answer.
func (x *exchange) call() (f *fault) {
	ctx, cancel := context.WithCancel(x.client.ctx())
	c := &call{front: x.front, cancel: cancel}
	t := &tether{cut: cancel}
	x.pool.enrol(c)
	x.client.watch(t)
	defer func() {
		x.endCall(c)
		x.client.unwatch(t)
		x.pool.strike(c)
		x.in.judge(f)
		if f != nil && f.kind == faultSilent {
			x.avoid = x.in
		}
	}()
	req, err := x.outgoing(ctx, c)
	if err != nil {
		return x.blameCall(c, faultBroken, err)
	}
	x.in.requests.Add(1)
	resp, f := x.awaitCall(c, req)
	if f != nil {
		return f
	}
	x.in.connected()
	defer resp.Body.Close()
	return x.relay(c, resp)
}

// outgoing makes the request of net/http's form, of the same head that an
// instance gets over HTTP/1.1.
func (x *exchange) outgoing(ctx context.Context, c *call) (*http.Request, error) {
	x.out = x.appendHead(x.out[:0])
	_, fields, _ := bytes.Cut(x.out, []byte("\r\n"))
	h, err := parseFields(fields)
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect"} {
		delete(h, name)
	}
	if x.req.HasToken(http1.TE, "trailers") {
		h["Te"] = []string{"trailers"}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{""} // or net/http says its own
	}
	host := string(x.req.Host())
	if host == "" {
		host = x.in.addr
	}
	req := &http.Request{
		Method: x.method,
		// Opaque is what passes a path byte for byte.
		URL:  &url.URL{Scheme: "http", Host: x.in.addr, Opaque: "//" + host + string(x.req.Target())},
		Host: host, Header: h, Body: http.NoBody,
	}
	switch {
	case x.small != nil:
		small := bytes.Clone(x.small) // the transport may read it after the answer, when the buffer is another's
		req.ContentLength = int64(len(small))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(small)), nil }
		req.Body, _ = req.GetBody()
	case x.flows():
		req.ContentLength = max(x.req.Length, -1)
		x.upload = &upload{done: make(chan struct{})}
		x.client.goAhead(x.req.Expects)
		c.body = &callBody{x: x, upload: x.upload, patient: x.isGRPC(), pace: pace{from: x.router.now()}}
		req.Body = c.body
	}
	return req.WithContext(ctx), nil
}

// parseFields reads field lines up to the empty one.
func parseFields(b []byte) (http.Header, error) {
	h := http.Header{}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\r\n"))
		if len(line) == 0 {
			return h, nil
		}
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			return nil, fmt.Errorf("malformed field line %q", line)
		}
		h.Add(textproto.CanonicalMIMEHeaderKey(string(name)), string(value))
	}
	return h, nil
}

// isGRPC tells whether the request is a gRPC call: it has a deadline of its
// own, and either side may be silent for as long as that lasts.
func (x *exchange) isGRPC() bool {
	return strings.HasPrefix(string(x.req.First(http1.ContentType)), "application/grpc")
}

// arrival is the end of a round trip.
type arrival struct {
	resp *http.Response
	err  error
}

// awaitCall sends the request and waits for the head of the answer, passing on
// the 1xx before it. They are passed on by this goroutine: the transport's own
// reads for other clients too.
func (x *exchange) awaitCall(c *call, req *http.Request) (*http.Response, *fault) {
	hints := make(chan *http.Response, maxHints)
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		select {
		case hints <- &http.Response{StatusCode: code, Header: http.Header(h)}:
			return nil
		default:
			return errors.New("too many 1xx answers")
		}
	}}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	arrived := make(chan arrival, 1)
	transport := x.in.http2()
	go func() {
		resp, err := transport.RoundTrip(req)
		arrived <- arrival{resp, err}
	}()
	patience := time.NewTimer(x.router.limits.AnswerHead)
	defer patience.Stop()
	before := int64(-1)
	for late := false; ; {
		select {
		case h := <-hints:
			x.hintCall(h)
		case a := <-arrived:
			for len(hints) > 0 {
				x.hintCall(<-hints)
			}
			x.now = x.router.now()
			if a.err != nil {
				return nil, x.blameTrip(c, a.err, late)
			}
			return a.resp, nil
		case <-patience.C:
			now := before
			if u := x.upload; u != nil && !u.complete.Load() {
				now = u.progress.Load()
			}
			if now == before && !x.isGRPC() {
				late = true
				c.cancel() // and the trip ends
			}
			before = now
			patience.Reset(x.router.limits.AnswerHead)
		}
	}
}

func (x *exchange) hintCall(resp *http.Response) {
	if resp.StatusCode == http.StatusContinue || x.req.Minor == 0 {
		return
	}
	if x.answer.Parse(headOf(resp, 0)) == nil {
		x.client.hint(x)
	}
}

// headOf writes the head of an answer as it would have come over HTTP/1.1: in
// chunks, if its length is not known or trailers are to follow.
func headOf(resp *http.Response, length int64) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %03d \r\n", resp.StatusCode)
	chunked := length < 0 || len(resp.Trailer) > 0
	for name, values := range resp.Header {
		if chunked && name == "Content-Length" {
			continue
		}
		for _, v := range values {
			b = appendField(b, []byte(wireName(name)), []byte(v))
		}
	}
	for name := range resp.Trailer {
		b = appendField(b, []byte("Trailer"), []byte(name))
	}
	if chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...)
}

// relay passes the answer on: its head, its body as it comes, its trailers.
func (x *exchange) relay(c *call, resp *http.Response) *fault {
	if err := x.answer.Parse(headOf(resp, resp.ContentLength)); err != nil {
		return x.blameCall(c, faultBroken, err)
	}
	length := x.answer.BodyLength(x.method == http.MethodHead)
	if resp.ContentLength == 0 && len(resp.Trailer) == 0 {
		length = 0
	}
	x.status, x.began = x.answer.Status, true
	if x.upload != nil {
		x.upload.answered.Store(true)
	}
	x.stream = isEventStream(x.answer.First(http1.ContentType))
	x.client.begin(x, length)
	if c.begun.Store(x.isGRPC()); x.stream {
		defer x.streamOn(func() bool { c.streams.Store(true); return !c.cut.Load() }, c.cutOff)()
	}
	x.trailers.Fields = x.trailers.Fields[:0]
	if length != 0 {
		if f := x.relayBody(c, resp); f != nil {
			return f
		}
		if err := x.trailers.Parse(trailersOf(resp)); err != nil {
			return x.blameCall(c, faultBroken, err)
		}
	}
	if err := x.client.finish(&x.trailers); err != nil {
		return x.blameCall(c, faultGone, err)
	}
	return nil
}

func trailersOf(resp *http.Response) []byte {
	var b []byte
	for name, values := range resp.Trailer {
		for _, v := range values {
			b = appendField(b, []byte(name), []byte(v))
		}
	}
	if b == nil {
		return nil
	}
	return append(b, "\r\n"...)
}

// relayBody copies the body. What has come is with the client before more is
// waited for, and while little comes little memory is held.
func (x *exchange) relayBody(c *call, resp *http.Response) *fault {
	quiet := make([]byte, headRoom+quietBuffer+tailRoom)
	src := source{pool: &largeBuffers, room: headRoom, buf: &quiet, r: headRoom, w: headRoom}
	defer src.free()
	for {
		if err := x.client.flush(); err != nil {
			return x.blameCall(c, faultGone, err)
		}
		if x.stream {
			x.client.settleDown(x)
		}
		n, err := resp.Body.Read(src.space())
		if n > 0 {
			x.sent += int64(n)
			if err := x.client.write(&src, headRoom, headRoom+n, false); err != nil {
				return x.blameCall(c, faultGone, err)
			}
			if n == quietBuffer {
				src.free()
				src.take()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return x.blameCall(c, faultBroken, err)
		}
	}
}

// blameTrip finds the cause of a round trip that gave no answer.
func (x *exchange) blameTrip(c *call, err error, late bool) *fault {
	var dial *dialError
	switch {
	case c.cut.Load():
		return &fault{faultCut, err}
	case errors.As(err, &dial) && !x.client.gone():
		x.side.tally.refused.Add(1)
		x.in.refused()
		x.avoid = x.in
		if c.body != nil && c.body.begun() {
			return &fault{faultBroken, err} // there is nothing left to send again
		}
		return &fault{faultDial, err}
	case late && !x.client.gone():
		return &fault{faultLate, err}
	}
	return x.blameCall(c, faultSilent, err)
}

func (x *exchange) blameCall(c *call, kind faultKind, err error) *fault {
	switch {
	case c.cut.Load():
		return &fault{faultCut, err}
	case x.bodyError() != nil:
		return &fault{faultBody, x.bodyError()}
	case x.client.gone():
		return &fault{faultGone, err}
	}
	return &fault{kind, err}
}

// endCall ends what is left of the call: afterwards nobody reads the client's body.
func (x *exchange) endCall(c *call) {
	c.cancel()
	if c.body != nil && !c.body.end() {
		x.client.stopped()
	}
}

// enrol makes a call known, for a drain to cut it.
func (p *pool) enrol(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c] = struct{}{}
}

func (p *pool) strike(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c)
}
