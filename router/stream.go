package router

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"teal/router/http1"
)

// stream is a client that net/http's server speaks with: HTTP/2, and HTTP/1.1
// if Config.NetHTTP says so.
type stream struct {
	w http.ResponseWriter
	r *http.Request

	limit   time.Duration // of a write that makes no progress
	writeBy time.Time     // when the write deadline was last set
	stop    func() bool   // of the watch
}

// front is a front-end as net/http's server sees it.
type front struct {
	router *Router
	end    frontEnd
}

// ServeHTTP takes one request through. What it panics with is
// http.ErrAbortHandler only, which makes net/http break the connection.
func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.router.handlers.Add(1)
	defer f.router.handlers.Add(-1)
	addr := addressOf(r.RemoteAddr)
	from := &who{addr: addr, scheme: "http", trusted: f.router.trustsClient(addr)}
	if r.TLS != nil {
		from.scheme = "https"
	}
	s := &stream{w: w, r: r, limit: f.router.limits.Write}
	x := exchanges.Get().(*exchange)
	x.begin(f.router, f.end, s, from)
	x.method, x.host, x.proto = r.Method, plainHost(r.Host), r.Proto
	x.takeRequest(r)
	if s.handle(x) {
		s.reset(x)
		panic(http.ErrAbortHandler)
	}
	x.recycle()
}

// handle returns whether the connection is to be broken.
func (s *stream) handle(x *exchange) (broken bool) {
	defer func() { broken = x.broken }()
	defer x.end()
	x.identify()
	no := guard(s.r)
	if no == nil && !x.legal {
		no = &refusal{http.StatusBadRequest, "a field is malformed"}
	}
	if no == nil {
		no = guardUpgrade(&x.req)
	}
	if no != nil {
		x.refuse(no)
		return false
	}
	x.serve()
	return false
}

// wireName gives the name as it is written: Go's canonical form of the
// WebSocket fields is not the RFC's, and some apps compare it literally.
func wireName(name string) string {
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		return "Sec-WebSocket-" + rest
	}
	return name
}

// reset resets the connection of an HTTP/1.0 client, to which the mere end of
// the connection would be the end of the answer.
func (s *stream) reset(x *exchange) {
	hijacker, ok := s.w.(http.Hijacker)
	if !ok || !x.began || s.r.ProtoAtLeast(1, 1) {
		return
	}
	c, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

func (s *stream) smallBody(x *exchange) ([]byte, error) {
	n := x.req.Length
	if n < 0 || n > smallBody {
		return nil, nil
	}
	s.readWithin(x.router.limits.Body)
	body := make([]byte, n)
	if _, err := io.ReadFull(s.r.Body, body); err != nil {
		return nil, err
	}
	s.readWithin(0)
	return body, nil
}

func (s *stream) read(p []byte) (int, error) { return s.r.Body.Read(p) }

func (s *stream) readWithin(d time.Duration) {
	var by time.Time
	if d > 0 {
		by = time.Now().Add(d)
	}
	s.readBy(by)
}

func (s *stream) readBy(t time.Time) {
	if w, ok := s.w.(interface{ SetReadDeadline(time.Time) error }); ok {
		w.SetReadDeadline(t)
	}
}

func (s *stream) stopReading() { s.readBy(time.Unix(1, 0)) }

func (s *stream) stopped() {
	if s.r.ProtoMajor == 1 {
		// Lets net/http read some more, so that its closing does not reset the
		// connection before the client has read the answer.
		s.readBy(time.Now().Add(time.Second))
	}
}

// goAhead lets body and answer pass at the same time: without it net/http's
// server would swallow the body, concurrently with us, when an answer begins
// before the body's end.
func (s *stream) goAhead(say bool) {
	http.NewResponseController(s.w).EnableFullDuplex()
	if say && s.r.ProtoMajor == 1 {
		// Said here, because net/http would say it from the upload's goroutine
		// while this one may be passing on an early hint.
		s.w.WriteHeader(http.StatusContinue)
	}
}

func (s *stream) hint(x *exchange) {
	h := s.w.Header()
	x.copyAnswer(h)
	s.armWrite()
	s.w.WriteHeader(x.answer.Status)
	clear(h)
}

// copyAnswer copies the fields of the answer that concern the client.
func (x *exchange) copyAnswer(h http.Header) {
	for _, f := range x.answer.Fields {
		if x.passesBack(f) {
			h.Add(string(x.answer.NameOf(f)), string(x.answer.Value(f)))
		}
	}
}

func (s *stream) begin(x *exchange, length int64) {
	h := s.w.Header()
	x.copyAnswer(h)
	if _, there := h["Content-Type"]; !there {
		h["Content-Type"] = nil // or net/http invents one
	}
	switch {
	case length > 0 || length == 0 && x.answer.HasLength && x.answer.Status != http.StatusNoContent:
		h["Content-Length"] = []string{strconv.FormatInt(x.answer.Length, 10)}
	case length == http1.Chunked:
		for _, f := range x.answer.Fields {
			if f.Name == http1.Trailer {
				h.Add("Trailer", string(x.answer.Value(f)))
			}
		}
	}
	if _, there := h["X-Request-Id"]; !there {
		h["X-Request-Id"] = []string{x.requestID()}
	}
	if lines := x.setCookies(h["Set-Cookie"], x.who.scheme == "https"); len(lines) > 0 {
		h["Set-Cookie"] = lines
	}
	if x.front == preview {
		h.Set("X-Robots-Tag", "noindex")
	}
	if s.r.ProtoMajor == 1 && !x.uploaded() {
		h.Set("Connection", "close") // the rest of the body has nowhere to go
	}
	s.armWrite()
	s.w.WriteHeader(x.answer.Status)
}

func (s *stream) write(src *source, from, to int, last bool) error {
	s.armWrite()
	if _, err := s.w.Write((*src.buf)[from:to]); err != nil || last {
		return err
	}
	return s.flush()
}

func (s *stream) settleDown(*exchange) {}

// flush sends what was written to the client on its way.
func (s *stream) flush() error {
	s.armWrite()
	var err error
	if w, ok := s.w.(interface{ FlushError() error }); ok {
		err = w.FlushError()
	} else if w, ok := s.w.(http.Flusher); ok {
		w.Flush()
	}
	if s.r.ProtoMajor == 2 {
		// On HTTP/2 the deadline resets the stream even if nothing is being written.
		s.setWriteDeadline(time.Time{})
		s.writeBy = time.Time{}
	}
	return err
}

func (s *stream) finish(trailers *http1.Trailers) error {
	h := s.w.Header()
	for _, f := range trailers.Fields {
		if fates[f.Name] != drop {
			h.Add(http.TrailerPrefix+string(trailers.NameOf(f)), string(trailers.Value(f)))
		}
	}
	return nil
}

// unreadBody is how long the body of a request may take that a page answers.
const unreadBody = 5 * time.Second

func (s *stream) reply(x *exchange, status int, h http.Header, body string) {
	to := s.w.Header()
	for name, values := range h {
		to[name] = values
	}
	if x.closes && s.r.ProtoMajor == 1 {
		to.Set("Connection", "close")
	}
	if x.upload == nil && x.flows() {
		s.readWithin(unreadBody) // net/http reads some of it
	}
	s.armWrite()
	s.w.WriteHeader(status)
	io.WriteString(s.w, body)
}

func (s *stream) complete() error { return nil }

func (s *stream) takeOver(*exchange) (net.Conn, []byte, error) {
	hijacker, ok := s.w.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the client's connection can't be taken over")
	}
	c, rw, err := hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	return c, early, nil
}

func (s *stream) watch(t *tether) { s.stop = context.AfterFunc(s.r.Context(), t.cut) }

func (s *stream) unwatch(*tether) bool { return s.stop() }

func (s *stream) leaving() (<-chan struct{}, func()) { return s.r.Context().Done(), func() {} }

func (s *stream) gone() bool { return s.r.Context().Err() != nil }

func (s *stream) ctx() context.Context { return s.r.Context() }

// armWrite gives the client time to read what is written next. It is set anew
// only when a quarter of it has passed.
func (s *stream) armWrite() {
	now := time.Now()
	if now.Sub(s.writeBy) > s.limit/4 {
		s.setWriteDeadline(now.Add(s.limit))
		s.writeBy = now
	}
}

func (s *stream) setWriteDeadline(t time.Time) {
	if w, ok := s.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		w.SetWriteDeadline(t)
	}
}
