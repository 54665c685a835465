package router

import (
	"io"

	"teal/router/http1"
)

// bodyState is how far the body of a request has been read.
type bodyState uint8

const (
	bodyRead bodyState = iota // whole, or there is none
	bodyLength
	bodyChunked
	bodyBroken // what follows can't be told from it
)

// bodyRoom is how much a chunked body is read at a time at least, if as much
// has come: a chunk of a few bytes costs as much as one of many.
const bodyRoom = 4 << 10

func (c *clientConn) beginBody(r *http1.Request) {
	switch {
	case r.Length == 0:
		c.body = bodyRead
	case r.Length > 0:
		c.body, c.left = bodyLength, r.Length
	default:
		c.body = bodyChunked
		c.chunks.Reset()
	}
}

func (c *clientConn) smallBody(x *exchange) ([]byte, error) {
	if c.body == bodyChunked {
		return c.smallChunks()
	}
	s := &c.src
	if c.left > smallBody || int(c.left) > len(*s.buf)-tailRoom-s.r {
		return nil, nil
	}
	if int64(len(s.atHand())) < c.left {
		s.exactly(x.router.limits.Body) // for the whole of it: it is small
	}
	for int64(len(s.atHand())) < c.left {
		if err := s.fill(); err != nil {
			return nil, short(err)
		}
	}
	body := s.atHand()[:c.left]
	s.skip(len(body))
	c.left, c.body = 0, bodyRead
	return body, nil
}

// smallChunks gives a chunked body that has come whole with its head. If it is
// malformed as far as it has come, nothing of it goes anywhere.
func (c *clientConn) smallChunks() ([]byte, error) {
	s := &c.src
	total := 0
	for at := s.atHand(); len(at) > 0 && !c.chunks.Done(); {
		data, n, malformed := c.chunks.Next(at)
		if malformed != nil {
			c.body = bodyBroken
			return nil, malformed
		}
		total += len(data)
		at = at[n:]
	}
	whole := c.chunks.Done() && total <= smallBody
	c.chunks.Reset()
	if !whole {
		return nil, nil
	}
	body := (*s.buf)[s.r:s.r]
	for !c.chunks.Done() {
		data, n, _ := c.chunks.Next(s.atHand())
		body = append(body, data...) // in place: it never overtakes what is read
		s.skip(n)
	}
	c.body = bodyRead
	return body, nil
}

func (c *clientConn) read(p []byte) (int, error) {
	switch c.body {
	case bodyRead:
		return 0, io.EOF
	case bodyLength:
		return c.readLength(p)
	case bodyChunked:
		return c.readChunks(p)
	}
	return 0, io.ErrUnexpectedEOF
}

func (c *clientConn) readLength(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), c.left)]
	if c.src.empty() {
		n, err = c.net.Read(p)
	} else {
		n = copy(p, c.src.atHand())
		c.src.skip(n)
	}
	if c.left -= int64(n); c.left == 0 {
		c.body = bodyRead
		return n, io.EOF
	}
	if n == 0 {
		return 0, short(orEOF(err))
	}
	return n, nil
}

// readChunks reads by way of the buffer, behind the head, so that what follows
// the body stays there.
func (c *clientConn) readChunks(p []byte) (total int, err error) {
	s := &c.src
	for {
		for !s.empty() && !c.chunks.Done() && total < len(p) {
			at := s.atHand()
			data, n, malformed := c.chunks.Next(at[:min(len(at), len(p)-total)])
			if malformed != nil {
				c.body = bodyBroken
				return 0, malformed
			}
			s.skip(n)
			total += copy(p[total:], data)
		}
		switch {
		case total > 0:
			return total, nil
		case c.chunks.Done():
			c.body = bodyRead
			return 0, io.EOF
		}
		if len(*s.buf)-tailRoom-c.window < bodyRoom {
			// What the exchange knows of the head is in the old buffer, which so
			// is left to the collector.
			s.take()
			c.window = 0
		}
		s.r, s.w = c.window, c.window
		if err := s.fill(); err != nil {
			return 0, short(err)
		}
	}
}
