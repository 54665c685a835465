package router

import (
	"context"
	"net"
	"net/http"
	"time"

	"teal/router/http1"
)

// client is the side that asked, as an exchange sees it: a connection of our
// own (clientConn), or a request of net/http's server (stream).
type client interface {
	// smallBody gives the whole body, without its framing, if it is short enough
	// to be read before an instance is chosen; else nil, with nothing read.
	smallBody(x *exchange) ([]byte, error)
	// read gives the body of the request without its framing; io.EOF at its end.
	read(p []byte) (int, error)
	// readWithin bounds the reads from now on; 0: no bound.
	readWithin(d time.Duration)
	// stopReading ends a read under way, from another goroutine.
	stopReading()
	// stopped is called when the read has ended.
	stopped()
	// goAhead says 100 Continue, and that the body will be read beside the answer.
	goAhead(say bool)

	// hint passes a 1xx answer on.
	hint(x *exchange)
	// begin takes the head of x.answer, whose body has the length given. It is
	// written with what follows, or by flush.
	begin(x *exchange, length int64)
	// write passes a piece of the body on: from and to are its place in the
	// buffer of src, of which everything but what is at hand may be overwritten.
	// With last the piece ends the answer, and the client may take the buffer.
	write(src *source, from, to int, last bool) error
	// settleDown is called when the answer is one that takes its time.
	settleDown(x *exchange)
	// flush sends what was not sent yet: the next bytes may take long.
	flush() error
	// finish ends the answer.
	finish(trailers *http1.Trailers) error
	// complete sends what is still to be sent. It is called when the instance
	// is done with the request, and everything is counted.
	complete() error
	// reply answers with a page of the router's own, when complete is called.
	reply(x *exchange, status int, h http.Header, body string)

	// takeOver gives the connection away, with what was read of it; from then
	// on it is the caller's to close.
	takeOver(x *exchange) (c net.Conn, early []byte, err error)

	// watch makes the client's leaving cut t, until unwatch, which tells
	// whether t was left alone.
	watch(t *tether)
	unwatch(t *tether) (untouched bool)
	gone() bool
	ctx() context.Context
	leaver
}

// tether is what ends when a client leaves.
type tether struct {
	cut func() // safe from any goroutine
}
