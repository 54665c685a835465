package router

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"
	"unsafe"

	"teal/deploy"
	"teal/router/http1"
)

// begin makes x the exchange of a request that has just come: its head is in x.req.
func (x *exchange) begin(r *Router, end frontEnd, c client, w *who) {
	x.router, x.client, x.who = r, c, w
	x.front, x.leaver = end, c
	x.now = r.now()
	x.start = x.now
}

// identify gives the request its id: that of a trusted proxy, or a new one.
func (x *exchange) identify() {
	if x.who.trusted {
		if id := x.req.First(nameRequestID); legalID(id) {
			x.id = string(id)
			return
		}
	}
	if x.router.config.RequestID != nil {
		x.id = x.router.config.RequestID()
		return
	}
	var b [16]byte
	for i, n := range [...]uint64{rand.Uint64(), rand.Uint64()} {
		for k := range 8 {
			b[8*i+k] = byte(n >> (8 * k))
		}
	}
	hex.Encode(x.idText[:], b[:])
}

// appendID appends the id of the request.
func (x *exchange) appendID(b []byte) []byte {
	if x.id != "" {
		return append(b, x.id...)
	}
	return append(b, x.idText[:]...)
}

// requestID gives the id as a string, for what is not done for every request.
func (x *exchange) requestID() string { return string(x.appendID(nil)) }

// serve takes the request through, which guard has let in.
func (x *exchange) serve() {
	x.classify()
	if answer, ok := x.router.challenge(x.front, x.method, x.host, peek(x.req.Target())); ok {
		x.say(http.StatusOK, "text/plain", answer, "")
		return
	}
	e := x.router.table.Load().find(x.host)
	if to := x.redirect(e); to != "" {
		x.say(http.StatusPermanentRedirect, "text/plain; charset=utf-8", "This is served at "+to+"\n", to)
		return
	}
	if x.front == preview && !x.mayPreview() {
		return
	}
	if e == nil {
		x.page(pageNoApp(x))
		return
	}
	if e.route.Sticky || e.route.Share > 0 || e.route.Hold {
		x.introduce()
	}
	if fault := x.prepare(); fault != nil {
		x.fault = fault
		x.refuse(bodyRefusal(fault.err))
		return
	}
	x.run()
}

// introduce fills in what some apps choose the instance by.
func (x *exchange) introduce() {
	x.cookies = x.said[:0]
	for _, f := range x.req.Fields {
		if f.Name == http1.Cookie {
			x.cookies = append(x.cookies, peek(x.req.Value(f)))
		}
	}
	x.login = peek(x.req.Get("authorization"))
}

// mayPreview asks whether the client may see previews, and tells it if not.
// Whoever decides may take fields out of the request.
func (x *exchange) mayPreview() bool {
	allowed := x.router.config.PreviewAllowed
	if allowed == nil {
		return true
	}
	r := x.asRequest()
	ok := allowed(r)
	if ok {
		x.takeFields(r.Header)
		return true
	}
	x.page(pagePreviewClosed(x.req.Get("authorization") != nil))
	return false
}

// end counts the request, sends what is left of the answer, and logs it,
// however it ended. It runs deferred: a panic ends this request only.
func (x *exchange) end() {
	if reason := recover(); reason != nil {
		x.router.log.Error("request panicked", "error", deploy.PanicText(reason), "stack", string(debug.Stack()))
		if x.pool != nil {
			x.unclaim()
		}
		x.broken = true
	}
	x.now = x.router.now()
	took := time.Duration(x.now - x.start)
	if !x.socket {
		x.router.ended(&x.place, ending{status: x.status, fault: x.fault, took: took, timed: !x.stream}, x.now)
	}
	if !x.broken && !x.socket {
		if err := x.client.complete(); err != nil {
			x.broken = true
			if x.fault == nil {
				x.fault = &fault{faultGone, err}
			}
		}
	}
	x.logAccess(took)
}

func (x *exchange) logAccess(took time.Duration) {
	if x.router.lines == nil {
		return
	}
	line := accessLine{
		front: x.front, client: x.who.addr, proto: x.proto, scheme: x.who.scheme, method: x.method,
		host: peek(x.req.Host()), target: peek(x.req.Target()), status: x.status, sent: x.sent, took: took,
		id: x.id, fault: x.fault,
	}
	if line.id == "" {
		line.id = peek(x.idText[:])
	}
	x.place.describe(&line)
	x.router.logAccess(&line)
}

// peek gives bytes as a string without copying them. It is for what is looked
// at and not kept while the bytes stay as they are: those of a request's head
// do until the exchange ends.
func peek(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
