package router

import (
	"context"
	"errors"
	"net/http"
	"time"

	"teal/deploy"
)

// maxTries is how often a request is tried that finds no connection.
const maxTries = 3

// exchange is one request on its way through: who asked, where it was sent,
// and what became of it.
type exchange struct {
	router *Router
	front  frontEnd
	w      http.ResponseWriter
	r      *http.Request
	start  int64 // Router.now

	// Who asked.
	host    string // as plainHost gives it
	id      string
	client  string
	scheme  string
	trusted bool

	// What is asked.
	websocket  bool
	expects    bool   // 100-continue
	repeatable bool   // may be sent again when nothing was answered
	small      []byte // the whole body, when it was short enough to be read first
	upload     *upload

	// Where it goes: the claim.
	table  *table
	pool   *pool // nil: nothing is claimed
	in     *instance
	landed bool // the pool no longer counts it as in flight
	fresh  bool // no used connection this time
	tries  int
	resent bool

	// What became of it.
	owner  *pool // the last one claimed, for the figures
	color  deploy.Color
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
		x.fault = nil
	}
}

// claim takes a place in the release that the front-end shows; when there is
// none to take, it answers with a page and returns false.
func (x *exchange) claim() bool {
	for {
		t := x.router.table.Load()
		e := t.find(x.host)
		if e == nil {
			x.page(pageNoApp(x))
			return false
		}
		p := e.sides[x.front].pool
		if p == nil {
			x.page(pageNoRelease(x, e))
			return false
		}
		p.flying[x.front].Add(1)
		if x.router.table.Load() != t {
			p.leave(x.front)
			continue
		}
		x.table, x.pool, x.owner, x.landed = t, p, p, false
		x.color = e.sides[x.front].backend.Color
		if p.inFlight() > int64(x.router.limits.MaxInFlight) ||
			x.websocket && p.sockets.Load() >= int64(x.router.limits.MaxSockets) {
			x.fault = &fault{kind: faultDown, err: errors.New("too many requests in flight")}
			x.unclaim()
			x.page(pageBusy(x))
			return false
		}
		return true
	}
}

// land takes the request off the in-flight count; once.
func (x *exchange) land() {
	if !x.landed {
		x.landed = true
		x.pool.leave(x.front)
	}
}

func (x *exchange) unclaim() {
	x.land()
	if x.in != nil {
		x.in.flying.Add(-1)
		x.in = nil
	}
}

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
	}()
	return x.converse(c)
}

// connect chooses an instance and gets a connection to it.
func (x *exchange) connect() (*conn, *fault) {
	e := x.table.find(x.host)
	x.in = e.sides[x.front].choose(x.router.now())
	if x.in == nil {
		return nil, &fault{kind: faultDown}
	}
	x.in.flying.Add(1)
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
		x.in.putAside()
		return nil, &fault{faultDial, err}
	}
	x.in.asideUntil.Store(0)
	if !x.stillNamed() {
		c.close()
		return nil, &fault{kind: faultMoved}
	}
	return c, nil
}

// stillNamed tells whether the table of now would still send the request to
// this instance: making a connection takes long enough for a switch.
func (x *exchange) stillNamed() bool {
	t := x.router.table.Load()
	if t == x.table {
		return true
	}
	e := t.find(x.host)
	return e != nil && e.sides[x.front].pool == x.pool && e.sides[x.front].names(x.in)
}

// again tells whether the request is tried once more, and waits before it if
// nothing has changed that lets a try do better.
func (x *exchange) again(f *fault) bool {
	if x.began || x.router.now()-x.start > int64(x.router.limits.Retry) {
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
	if t := x.router.table.Load(); t != x.table {
		return true
	}
	now := x.router.now()
	e := x.table.find(x.host)
	if in := e.sides[x.front].choose(now); in != nil && !in.aside(now) {
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
