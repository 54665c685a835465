package router

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"teal/router/http1"
)

// maxTries is how often a request is tried that finds no connection.
const maxTries = 3

// exchange is one request on its way through: who asked, where it was sent,
// and what became of it. It is used again for other requests, for its memory.
type exchange struct {
	router *Router
	client client
	req    http1.Request
	start  int64 // Router.now
	now    int64 // Router.now at the last thing that took time

	// Who asked.
	method string
	proto  string
	id     string
	idText [32]byte // of an id of our own
	who    *who

	// What is asked.
	legal      bool   // what net/http gave us can stand in a request
	repeatable bool   // may be sent again when nothing was answered
	small      []byte // the whole body, when it was short enough to be read first
	upload     *upload

	// Where it goes.
	asker
	place
	said   [4]string // memory for asker.cookies
	fresh  bool      // no used connection this time
	tries  int
	resent bool

	// What became of it.
	answer   http1.Response
	chunks   http1.Chunks // of the answer
	trailers http1.Trailers
	out      []byte // the request as it is sent
	back     []byte // what the head of the answer is written in
	owner    *pool  // the last one claimed, for the pages
	status   int
	sent     int64 // bytes of the answer's body
	began    bool  // the head of an answer was given to the client
	closes   bool  // the client's connection ends with this answer
	broken   bool  // the client's connection is to be broken
	whole    bool  // the upstream connection can carry another request
	stream   bool  // an event stream: its duration says nothing about speed
	socket   bool  // it became a WebSocket
	fault    *fault
}

// who is what is known of a client from its connection.
type who struct {
	addr    string // without port
	scheme  string
	trusted bool // its word on who it asks for is believed
	// said is what goes to the instance about it, for the host saidFor.
	saidFor string
	said    []byte
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// keptOut is up to how many bytes a pooled exchange keeps for a head.
const keptOut = 64 << 10

// recycle makes the exchange ready for another request.
func (x *exchange) recycle() {
	x.chunks.Reset()
	if cap(x.out) > keptOut {
		x.out = nil
	}
	if cap(x.back) > keptOut {
		x.back = nil
	}
	*x = exchange{req: x.req, answer: x.answer, chunks: x.chunks, trailers: x.trailers, out: x.out[:0], back: x.back[:0]}
	exchanges.Put(x)
}

// run carries the request to an instance, trying again where that is safe.
func (x *exchange) run() {
	for x.claim() {
		f := x.try()
		x.unclaim()
		if f == nil {
			return
		}
		x.fault = f
		if !x.again(f) {
			x.giveUp(f)
			return
		}
		x.side.tally.retried(f.kind)
		x.fault = nil
	}
}

// claim takes a place for the request; when there is none to take, it answers
// with a page and returns false.
func (x *exchange) claim() bool {
	v := x.router.claim(&x.asker, &x.place)
	if v == placed || v == tooMany {
		x.owner = x.pool
	}
	switch v {
	case placed:
		return true
	case tooMany:
		x.fault = &fault{kind: faultDown, err: errors.New("too many requests in flight")}
		x.unclaim()
	case clientLeft:
		x.fault = &fault{kind: faultGone}
		x.broken = true
		return false
	}
	x.page(x.pageFor(v))
	return false
}

func (x *exchange) land()    { x.place.land(x.front) }
func (x *exchange) unclaim() { x.place.leave(x.front) }

// try makes one attempt. A nil fault means that the client has its answer.
// Used connections that turn out to be dead cost no attempt.
func (x *exchange) try() *fault {
	if x.choose(&x.asker, x.now) == nil {
		return &fault{kind: faultDown}
	}
	if x.multiplexed() {
		return x.call()
	}
	for {
		c, f := x.connect()
		if f != nil {
			return f
		}
		f = x.over(c)
		if f == nil || f.kind != faultStale {
			return f
		}
		x.side.tally.retried(f.kind)
		x.in.trust.died(x.now, time.Duration(x.now-c.since))
	}
}

// over makes the attempt over the connection.
func (x *exchange) over(c *conn) (f *fault) {
	c.begin(x.front)
	x.whole = false
	x.client.watch(&c.tether)
	defer func() {
		x.endUpload(c)
		untouched := x.client.unwatch(&c.tether)
		c.settle(x.front, untouched && f == nil && x.whole, x.now)
		if f == nil || f.kind != faultStale {
			x.in.judge(f)
		}
		if f != nil && f.kind == faultSilent {
			x.avoid = x.in
		}
	}()
	return x.converse(c)
}

// connect gets a connection to the instance that was chosen.
func (x *exchange) connect() (*conn, *fault) {
	if !x.fresh && !x.websocket {
		if c := x.in.used(x.now, x.repeatable, x.flows()); c != nil {
			return c, nil
		}
	}
	c, err := x.in.dial(x.client.ctx())
	if err != nil {
		if x.client.gone() {
			return nil, &fault{faultGone, err}
		}
		x.side.tally.refused.Add(1)
		x.in.refused()
		x.avoid = x.in
		return nil, &fault{faultDial, err}
	}
	x.in.connected()
	if !x.stillNamed(&x.asker, x.router.table.Load()) {
		c.close()
		return nil, &fault{kind: faultMoved}
	}
	return c, nil
}

// again tells whether the request is tried once more, and waits before it if
// nothing has changed that lets a try do better.
func (x *exchange) again(f *fault) bool {
	x.now = x.router.now()
	if x.began || x.now-x.start-int64(x.held) > int64(x.router.limits.Retry) {
		return false
	}
	switch f.kind {
	case faultMoved:
		return true
	case faultUnsent:
		x.fresh = true
		x.tries++
		return x.tries < maxTries
	case faultSilent:
		if !x.repeatable || x.resent {
			return false
		}
		x.resent, x.fresh = true, true
		return true
	case faultDial:
		x.tries++
		return x.tries < maxTries && x.pause()
	}
	return false
}

// pause waits until a try may do better: at once when another instance can be
// asked, else for a newer table or a moment. False: the client left.
func (x *exchange) pause() bool {
	if x.elsewhere(&x.asker, x.router.table.Load(), x.now) {
		return true
	}
	left, forget := x.client.leaving()
	defer forget()
	timer := time.NewTimer(time.Duration(x.tries) * 150 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-x.table.replaced:
	case <-timer.C:
	case <-left:
		return false
	}
	x.now = x.router.now()
	return true
}

// giveUp tells the client what went wrong. Once an answer has begun there is
// only one way to say so: to break the connection.
func (x *exchange) giveUp(f *fault) {
	if x.began || f.kind == faultGone {
		x.broken = true
		return
	}
	switch f.kind {
	case faultBody:
		x.refuse(bodyRefusal(f.err))
	case faultDown:
		x.page(pageDown(x))
	case faultLate, faultCut:
		x.page(pageLate(x))
	default:
		x.page(pageBroken(x))
	}
}

func bodyRefusal(err error) *refusal {
	var malformed *http1.Error
	switch {
	case timedOut(err):
		return &refusal{http.StatusRequestTimeout, "the body of the request did not come"}
	case errors.As(err, &malformed):
		return &refusal{http.StatusBadRequest, malformed.Text}
	}
	return &refusal{http.StatusBadRequest, "the body of the request is malformed or incomplete"}
}
