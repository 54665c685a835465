package router

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"teal/router/http1"
)

// appendAnswer appends the status line and the fields that pass.
func (x *exchange) appendAnswer(b []byte) []byte {
	a := &x.answer
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	b = append(b, ' ')
	if reason := a.Reason(); len(reason) > 0 {
		b = append(b, reason...)
	} else {
		b = append(b, http.StatusText(a.Status)...)
	}
	b = append(b, "\r\n"...)
	for _, f := range a.Fields {
		if x.passesBack(f) {
			b = appendField(b, a.NameOf(f), a.Value(f))
		}
	}
	return b
}

func (c *clientConn) hint(x *exchange) {
	c.head = append(x.appendAnswer(c.head[:0]), "\r\n"...)
	c.flush()
}

func (c *clientConn) begin(x *exchange, length int64) {
	a := &x.answer
	b := x.appendAnswer(c.head[:0])
	if a.First(http1.XRequestID) == nil {
		b = append(b, "X-Request-Id: "...)
		b = append(x.appendID(b), "\r\n"...)
	}
	if a.First(http1.Date) == nil {
		b = append(b, "Date: "...)
		b = append(x.router.appendDate(b, x.now), "\r\n"...)
	}
	b = x.appendCookies(b)
	if x.front == preview {
		b = append(b, "X-Robots-Tag: noindex\r\n"...)
	}
	known := length >= 0
	c.keep = !x.req.Close && x.uploaded() && c.state.Load() == clientBusy && (known || x.req.Minor > 0)
	switch {
	case a.HasLength && a.Status != http.StatusNoContent:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, a.Length, 10)
		b = append(b, "\r\n"...)
	case !known && x.req.Minor > 0:
		c.framed = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for _, f := range a.Fields {
			if f.Name == http1.Trailer {
				b = appendField(b, a.NameOf(f), a.Value(f))
			}
		}
	}
	c.head = append(c.appendConnection(b, x), "\r\n"...)
}

// appendCookies appends the cookies that keep the client where it is, if it lacks any.
func (x *exchange) appendCookies(b []byte) []byte {
	if !x.ticket.drawn && !x.entry.route.Sticky {
		return b
	}
	for _, line := range x.setCookies(nil, x.who.scheme == "https") {
		b = append(b, "Set-Cookie: "...)
		b = append(append(b, line...), "\r\n"...)
	}
	return b
}

// appendConnection says whether the connection goes on.
func (c *clientConn) appendConnection(b []byte, x *exchange) []byte {
	switch {
	case !c.keep:
		return append(b, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// write puts what is still to be written, and the framing, around the piece,
// so that it all goes out at once. The last piece goes out with complete.
func (c *clientConn) write(src *source, from, to int, last bool) error {
	buf := *src.buf
	if c.framed {
		c.head = appendChunkLine(c.head, to-from)
		to += copy(buf[to:], "\r\n")
		if last {
			to += copy(buf[to:], "0\r\n\r\n")
			c.over = true
		}
	}
	if len(c.head) > from {
		if err := c.flush(); err != nil {
			return err
		}
	}
	from -= copy(buf[from-len(c.head):], c.head)
	c.head = c.head[:0]
	if last && src.empty() {
		c.rest.buf, c.rest.pool, c.rest.r, c.rest.w = src.buf, src.pool, from, to
		src.buf, src.r, src.w = nil, 0, 0
		return nil
	}
	c.armWrite()
	_, err := c.net.Write(buf[from:to])
	return err
}

func (c *clientConn) flush() error {
	if len(c.head) == 0 {
		return nil
	}
	c.armWrite()
	_, err := c.net.Write(c.head)
	c.head = c.head[:0]
	return err
}

func (c *clientConn) finish(trailers *http1.Trailers) error {
	if c.framed && !c.over {
		c.head = append(c.head, "0\r\n"...)
		for _, f := range trailers.Fields {
			if fates[f.Name] != drop {
				c.head = appendField(c.head, trailers.NameOf(f), trailers.Value(f))
			}
		}
		c.head = append(c.head, "\r\n"...)
	}
	c.over = true
	return nil
}

func (c *clientConn) complete() error {
	if c.rest.buf == nil {
		return c.flush()
	}
	c.armWrite()
	_, err := c.net.Write(c.rest.atHand())
	c.rest.free()
	return err
}

func (c *clientConn) reply(x *exchange, status int, h http.Header, body string) {
	c.keep = !x.closes && !x.req.Close && c.body == bodyRead && c.state.Load() == clientBusy
	b := append(c.head[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(b, ' '), http.StatusText(status)...)
	b = append(b, "\r\nDate: "...)
	b = append(x.router.appendDate(b, x.router.now()), "\r\n"...)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			b = appendField(b, []byte(name), []byte(v))
		}
	}
	b = append(c.appendConnection(b, x), "\r\n"...)
	c.head = append(b, body...)
	c.over = true
}

// armWrite gives the client time to read what is written next: at least the
// limit and at most a quarter more.
func (c *clientConn) armWrite() {
	r := c.door.router
	now, limit := r.now(), r.limits.Write
	if left := time.Duration(c.writeBy - now); c.writeBy == 0 || left < limit {
		c.writeBy = now + int64(limit+limit/4)
		c.net.SetWriteDeadline(r.born.Add(time.Duration(c.writeBy)))
	}
}
