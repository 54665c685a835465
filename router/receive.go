package router

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxHints is how many 1xx answers may come before the one that counts.
const maxHints = 32

// converse sends the request over the connection and passes the answer on.
func (x *exchange) converse(c *conn) *fault {
	if f := x.send(c); f != nil {
		return f
	}
	resp, f := x.receive(c)
	if f != nil {
		return f
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.switchProtocols(c, resp)
	}
	return x.deliver(c, resp)
}

// receive reads the head of the answer, passing on the 1xx before it.
func (x *exchange) receive(c *conn) (*http.Response, *fault) {
	if x.expects {
		if f := x.awaitContinue(c); f != nil {
			return nil, f
		}
	}
	c.budget = x.router.limits.MaxHeadBytes
	for range maxHints {
		if f := x.awaitHead(c); f != nil {
			return nil, f
		}
		resp, err := http.ReadResponse(c.br, x.r)
		if err != nil {
			return nil, x.blame(c, faultBroken, err)
		}
		switch code := resp.StatusCode; {
		case code < 100:
			return nil, x.blame(c, faultBroken, fmt.Errorf("status %d", code))
		case code >= 200, code == http.StatusSwitchingProtocols:
			c.budget = -1
			return resp, nil
		}
		x.hint(c, resp)
	}
	return nil, x.blame(c, faultBroken, errors.New("too many 1xx answers"))
}

// awaitContinue waits for the instance's word on whether it wants the body.
func (x *exchange) awaitContinue(c *conn) *fault {
	err := c.awaitFirstByte(continueAfter)
	switch {
	case err == nil:
		return nil // 100 Continue, or the answer
	case timedOut(err) && !c.wasCut():
		x.startUpload(c) // it does not know the word
		return nil
	}
	return x.blame(c, faultSilent, err)
}

// awaitHead waits for the first byte of an answer. The time counts from the
// last sign of life of an upload that is still under way.
func (x *exchange) awaitHead(c *conn) *fault {
	before := int64(-1)
	for {
		err := c.awaitFirstByte(x.router.limits.AnswerHead)
		if err == nil {
			return nil
		}
		if u := x.upload; u != nil && timedOut(err) && !u.complete.Load() {
			if now := u.progress.Load(); now != before {
				before = now
				continue
			}
		}
		return x.blame(c, faultSilent, err)
	}
}

// hint passes a 1xx answer on. 100 Continue starts the upload it was asked for.
func (x *exchange) hint(c *conn, resp *http.Response) {
	if resp.StatusCode == http.StatusContinue {
		if x.expects && x.upload == nil {
			x.startUpload(c)
		}
		return
	}
	if !x.r.ProtoAtLeast(1, 1) {
		return // HTTP/1.0 knows no 1xx (RFC 9110 §15.2)
	}
	h := x.w.Header()
	copyFields(h, resp.Header)
	x.armWrite()
	x.w.WriteHeader(resp.StatusCode)
	clear(h)
}

// copyFields copies what concerns the client.
func copyFields(to, from http.Header) {
	named := hopNamed(from)
	for name, values := range from {
		switch name {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			continue
		}
		if !slices.Contains(named, name) {
			to[name] = values
		}
	}
}

// deliver passes the answer on: its head, its body as it comes, its trailers.
func (x *exchange) deliver(c *conn, resp *http.Response) *fault {
	x.writeHead(resp)
	if f := x.copyBody(c, resp); f != nil {
		return f
	}
	h := x.w.Header()
	for name, values := range resp.Trailer {
		for _, v := range values {
			h.Add(http.TrailerPrefix+name, v)
		}
	}
	x.whole = !resp.Close && c.br.Buffered() == 0 && x.uploaded()
	return nil
}

func (x *exchange) writeHead(resp *http.Response) {
	h := x.w.Header()
	copyFields(h, resp.Header)
	if _, there := h["Content-Type"]; !there {
		h["Content-Type"] = nil // or net/http invents one
	}
	if len(resp.Trailer) > 0 {
		names := make([]string, 0, len(resp.Trailer))
		for name := range resp.Trailer {
			names = append(names, name)
		}
		h.Set("Trailer", strings.Join(names, ", "))
	}
	if _, there := h["X-Request-Id"]; !there {
		h["X-Request-Id"] = []string{x.id}
	}
	x.bind(h)
	if x.front == preview {
		h.Set("X-Robots-Tag", "noindex")
	}
	if x.r.ProtoMajor == 1 && !x.uploaded() {
		h.Set("Connection", "close") // the rest of the body has nowhere to go
	}
	x.stream = strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
	x.armWrite()
	x.status, x.began = resp.StatusCode, true
	x.w.WriteHeader(resp.StatusCode)
}

// bind adds the cookies that keep the client where it is, if it lacks any.
func (x *exchange) bind(h http.Header) {
	if lines := x.setCookies(h["Set-Cookie"], x.scheme == "https"); len(lines) > 0 {
		h["Set-Cookie"] = lines
	}
}

// copyBody passes the body on, and flushes whenever the next read would wait.
func (x *exchange) copyBody(c *conn, resp *http.Response) *fault {
	if x.r.Method == http.MethodHead || resp.Body == http.NoBody {
		return nil
	}
	if resp.ContentLength < 0 || int64(c.br.Buffered()) < resp.ContentLength {
		c.net.SetReadDeadline(time.Time{})
	}
	if resp.ContentLength != 0 && c.br.Buffered() == 0 || len(resp.Trailer) > 0 {
		x.flush()
	}
	for {
		more, err := x.copySome(c, resp)
		switch {
		case err != nil || !more:
			return x.copyFault(c, err)
		case c.moreAtHand(resp.ContentLength < 0):
			continue
		}
		x.flush()
		if resp.ContentLength < 0 {
			c.br.Peek(1) // waits without a large buffer; an error comes again
		}
	}
}

// errClient marks an error of the client's side.
var errClient = errors.New("cannot write to the client")

func (x *exchange) copyFault(c *conn, err error) *fault {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errClient):
		return x.blameClient(c, err)
	}
	return x.blame(c, faultBroken, err)
}

// copySome passes on what one read gives; more is false at the end of the body.
func (x *exchange) copySome(c *conn, resp *http.Response) (more bool, err error) {
	buf := largeBuffers.Get().(*[]byte)
	defer largeBuffers.Put(buf)
	n, err := resp.Body.Read(*buf)
	if n > 0 {
		x.armWrite()
		wrote, werr := x.w.Write((*buf)[:n])
		x.sent += int64(wrote)
		if werr != nil {
			return false, fmt.Errorf("%w: %w", errClient, werr)
		}
	}
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return true, err
}

// moreAtHand tells whether the next read has something to read without
// waiting: of a chunked body that takes a whole size line.
func (c *conn) moreAtHand(chunked bool) bool {
	n := c.br.Buffered()
	if n == 0 || !chunked {
		return n > 0
	}
	b, _ := c.br.Peek(n)
	return bytes.IndexByte(b, '\n') >= 0
}

// flush sends what was written to the client on its way.
func (x *exchange) flush() {
	x.armWrite()
	if w, ok := x.w.(http.Flusher); ok {
		w.Flush()
	}
	if x.r.ProtoMajor == 2 {
		// On HTTP/2 the deadline resets the stream even if nothing is being written.
		x.setWriteDeadline(time.Time{})
		x.writeArmed = time.Time{}
	}
}

// armWrite gives the client time to read what is written next. It is set anew
// only when a quarter of it has passed.
func (x *exchange) armWrite() {
	now := time.Now()
	if limit := x.router.limits.Write; now.Sub(x.writeArmed) > limit/4 {
		x.setWriteDeadline(now.Add(limit))
		x.writeArmed = now
	}
}

func (x *exchange) setWriteDeadline(t time.Time) {
	if w, ok := x.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		w.SetWriteDeadline(t)
	}
}
