package router

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"teal/router/http1"
)

// maxHints is how many 1xx answers may come before the one that counts.
const maxHints = 32

// converse sends the request over the connection and passes the answer on.
func (x *exchange) converse(c *conn) *fault {
	if f := x.send(c); f != nil {
		return f
	}
	if f := x.receive(c); f != nil {
		return f
	}
	if x.answer.Status == http.StatusSwitchingProtocols {
		return x.switchProtocols(c)
	}
	return x.deliver(c)
}

// receive reads the head of the answer, passing on the 1xx before it.
func (x *exchange) receive(c *conn) *fault {
	if x.req.Expects {
		if f := x.awaitContinue(c); f != nil {
			return f
		}
	}
	for range maxHints {
		head, f := x.awaitHead(c)
		if f != nil {
			return f
		}
		if err := x.answer.Parse(head); err != nil {
			return x.blame(c, faultBroken, err)
		}
		c.src.skip(len(head))
		if code := x.answer.Status; code >= 200 || code == http.StatusSwitchingProtocols {
			x.now = x.router.now()
			return nil
		}
		x.hint(c)
	}
	return x.blame(c, faultBroken, errors.New("too many 1xx answers"))
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

// awaitHead waits for a whole head of an answer. The time counts from the last
// sign of life of an upload that is still under way.
func (x *exchange) awaitHead(c *conn) ([]byte, *fault) {
	before := int64(-1)
	for seen := 0; ; {
		end, next, malformed := http1.End(c.src.atHand(), seen, true)
		switch {
		case malformed != nil:
			return nil, x.blame(c, faultBroken, malformed)
		case end > 0:
			return c.src.atHand()[:end], nil
		case len(c.src.atHand()) >= int(x.router.limits.MaxHeadBytes):
			return nil, x.blame(c, faultBroken, errHeadTooLarge)
		}
		seen = next
		c.src.within(x.router, x.router.now(), x.router.limits.AnswerHead)
		err := c.src.fill()
		if errors.Is(err, errFull) && c.src.grow(int(x.router.limits.MaxHeadBytes)) {
			continue
		}
		if u := x.upload; err != nil && u != nil && timedOut(err) && !u.complete.Load() {
			if now := u.progress.Load(); now != before {
				before = now
				continue
			}
		}
		if err != nil {
			kind := faultSilent
			if !c.src.empty() {
				kind = faultBroken
			}
			return nil, x.blame(c, kind, err)
		}
	}
}

// hint passes a 1xx answer on. 100 Continue starts the upload it was asked for.
func (x *exchange) hint(c *conn) {
	if x.answer.Status == http.StatusContinue {
		if x.req.Expects && x.upload == nil {
			x.startUpload(c)
		}
		return
	}
	if x.req.Minor > 0 { // HTTP/1.0 knows no 1xx (RFC 9110 §15.2)
		x.client.hint(x)
	}
}

// deliver passes the answer on: its head, its body as it comes, its trailers.
func (x *exchange) deliver(c *conn) *fault {
	length := x.answer.BodyLength(x.method == http.MethodHead)
	closes := x.answer.Close || length == http1.UntilClose
	x.status, x.began = x.answer.Status, true
	if x.upload != nil {
		x.upload.answered.Store(true)
	}
	x.stream = isEventStream(x.answer.First(http1.ContentType))
	x.client.begin(x, length)
	if x.stream {
		defer x.streamOn(func() bool { return c.streams(x.front) }, c.cutStream)()
	}
	x.trailers.Fields = x.trailers.Fields[:0]
	var err error
	switch length {
	case http1.Chunked:
		err = x.passChunks(c)
		if err == nil && len(x.chunks.Trailers()) > len("\r\n") {
			if malformed := x.trailers.Parse(x.chunks.Trailers()); malformed != nil {
				err = malformed
			}
		}
	case http1.UntilClose:
		err = x.passUntilClose(c)
	default:
		err = x.passLength(c, length)
	}
	if err == nil {
		err = x.toClient(x.client.finish(&x.trailers))
	}
	x.whole = !closes && c.src.empty() && !x.bodyMayFollow() && x.uploaded()
	return x.copyFault(c, err)
}

// bodyMayFollow tells whether the answer speaks of a body where none can be
// (RFC 9112 §6.3). An app that sends it all the same may do so when the next
// request is on its way, which it would answer. A 304 may rightly speak so of
// the 200 that it stands for (RFC 9110 §15.4.5), but few do.
func (x *exchange) bodyMayFollow() bool {
	switch x.answer.Status {
	case http.StatusNoContent, http.StatusNotModified:
		return x.answer.Length > 0 || x.answer.Length == http1.Chunked
	}
	return false
}

func isEventStream(kind []byte) bool {
	const name = "text/event-stream"
	return len(kind) >= len(name) && http1.EqualFold(kind[:len(name)], name)
}

// errClient marks an error of the client's side.
var errClient = errors.New("cannot write to the client")

func (x *exchange) toClient(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

func (x *exchange) copyFault(c *conn, err error) *fault {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errClient):
		return x.blameClient(c, err)
	}
	return x.blame(c, faultBroken, err)
}

// more waits for more of the body. What the client was not sent yet goes out first.
func (x *exchange) more(c *conn) error {
	if err := x.client.flush(); err != nil {
		return x.toClient(err)
	}
	if x.stream {
		x.client.settleDown(x)
	}
	c.src.rewind()
	for {
		err := c.src.fill()
		if err == nil || !timedOut(err) || c.wasCut() || x.client.gone() {
			return err
		}
		c.src.exactly(0) // a deadline of the head; a body may pause as long as it likes
	}
}

// pass gives the client a piece of the body.
func (x *exchange) pass(c *conn, from, to int, last bool) error {
	x.sent += int64(to - from)
	return x.toClient(x.client.write(&c.src, from, to, last))
}

func (x *exchange) passLength(c *conn, left int64) error {
	for left > 0 {
		if c.src.empty() {
			if spliced, err := x.splice(c, left); spliced || err != nil {
				return err
			}
			if err := x.more(c); err != nil {
				return short(err)
			}
		}
		n := int(min(left, int64(len(c.src.atHand()))))
		left -= int64(n)
		from := c.src.r
		c.src.skip(n)
		if err := x.pass(c, from, from+n, left == 0); err != nil {
			return err
		}
	}
	return nil
}

// short is for an end that came before the end of the body.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// passChunks undoes the chunks in place, and passes on what is at hand as one.
func (x *exchange) passChunks(c *conn) error {
	x.chunks.Reset()
	for !x.chunks.Done() {
		if c.src.empty() {
			if err := x.more(c); err != nil {
				return short(err)
			}
		}
		from := c.src.r
		to := from
		for !c.src.empty() && !x.chunks.Done() {
			data, n, malformed := x.chunks.Next(c.src.atHand())
			if malformed != nil {
				return malformed
			}
			to += copy((*c.src.buf)[to:], data)
			c.src.skip(n)
		}
		if to > from {
			last := x.chunks.Done() && len(x.chunks.Trailers()) == len("\r\n")
			if err := x.pass(c, from, to, last); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *exchange) passUntilClose(c *conn) error {
	for {
		if c.src.empty() {
			if err := x.more(c); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
		from, to := c.src.r, c.src.w
		c.src.skip(to - from)
		if err := x.pass(c, from, to, false); err != nil {
			return err
		}
	}
}
