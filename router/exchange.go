package router

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxTries is how often a request is tried that finds no connection.
const maxTries = 3

// exchange is one request on its way through: who asked, where it was sent,
// and what became of it.
type exchange struct {
	router *Router
	w      http.ResponseWriter
	r      *http.Request
	start  int64 // Router.now

	// Who asked.
	id      string
	client  string
	scheme  string
	trusted bool

	// What is asked.
	expects    bool   // 100-continue
	repeatable bool   // may be sent again when nothing was answered
	small      []byte // the whole body, when it was short enough to be read first
	upload     *upload

	// Where it goes.
	asker
	place
	fresh  bool // no used connection this time
	tries  int
	resent bool

	// What became of it.
	owner  *pool // the last one claimed, for the figures
	status int
	sent   int64 // bytes of the answer's body
	began  bool  // the head of an answer was written to the client
	whole  bool  // the upstream connection can carry another request
	stream bool  // an event stream: its duration says nothing about speed
	socket bool  // it became a WebSocket
	fault  *fault
	// writeArmed is when the client's write deadline was last set.
	writeArmed time.Time
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
		panic(http.ErrAbortHandler)
	}
	x.page(x.pageFor(v))
	return false
}

func (x *exchange) land()    { x.place.land(x.front) }
func (x *exchange) unclaim() { x.place.leave(x.front) }

// try makes one attempt. A nil fault means that the client has its answer.
func (x *exchange) try() (f *fault) {
	c, f := x.connect()
	if f != nil {
		return f
	}
	x.in.requests.Add(1)
	c.begin(x.front)
	x.whole = false
	stop := context.AfterFunc(x.r.Context(), c.abort)
	defer func() {
		x.endUpload(c)
		untouched := stop()
		c.settle(x.front, untouched && f == nil && x.whole)
		x.in.judge(f)
		if f != nil && f.kind == faultSilent {
			x.avoid = x.in
		}
	}()
	return x.converse(c)
}

// connect chooses an instance and gets a connection to it.
func (x *exchange) connect() (*conn, *fault) {
	if x.choose(&x.asker, x.router.now()) == nil {
		return nil, &fault{kind: faultDown}
	}
	if !x.fresh && !x.websocket {
		if c := x.in.used(x.repeatable); c != nil {
			return c, nil
		}
	}
	c, err := x.in.dial(x.r.Context())
	if err != nil {
		if x.r.Context().Err() != nil {
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
	if x.began || x.router.now()-x.start-int64(x.held) > int64(x.router.limits.Retry) {
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
	if x.elsewhere(&x.asker, x.router.table.Load(), x.router.now()) {
		return true
	}
	timer := time.NewTimer(time.Duration(x.tries) * 150 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-x.table.replaced:
	case <-timer.C:
	case <-x.r.Context().Done():
		return false
	}
	return true
}

// giveUp tells the client what went wrong. Once an answer has begun there is
// only one way to say so: to break the connection.
func (x *exchange) giveUp(f *fault) {
	if x.began || f.kind == faultGone {
		panic(http.ErrAbortHandler)
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
	if timedOut(err) {
		return &refusal{http.StatusRequestTimeout, "the body of the request did not come"}
	}
	return &refusal{http.StatusBadRequest, "the body of the request is malformed or incomplete"}
}
