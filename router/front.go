package router

import (
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

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
	x := f.exchange(w, r)
	defer x.end()
	if no := guard(r); no != nil {
		x.refuse(no)
		return
	}
	if f.end == preview && !x.mayPreview() {
		return
	}
	if answer, ok := f.router.challenge(f.end, r.Method, x.host, target(r)); ok {
		x.say(http.StatusOK, "text/plain", answer)
		return
	}
	e := f.router.table.Load().find(x.host)
	if e == nil {
		x.page(pageNoApp(x))
		return
	}
	if to := f.router.redirect(e, f.end, x.secure(), x.host, target(r)); to != "" {
		w.Header().Set("Location", to)
		x.say(http.StatusPermanentRedirect, "text/plain; charset=utf-8", "This is served at "+to+"\n")
		return
	}
	if fault := x.prepare(); fault != nil {
		x.fault = fault
		x.refuse(bodyRefusal(fault.err))
		return
	}
	x.run()
}

func (f front) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{
		router: f.router,
		w:      w,
		r:      r,
		start:  f.router.now(),
		client: addressOf(r.RemoteAddr),
		scheme: "http",
		asker: asker{
			front:   f.end,
			host:    plainHost(r.Host),
			cookies: r.Header["Cookie"],
			login:   r.Header.Get("Authorization"),
			gone:    r.Context().Done(),
		},
	}
	if r.TLS != nil {
		x.scheme = "https"
	}
	x.trusted = f.router.trustsClient(x.client)
	if id := r.Header.Get("X-Request-Id"); x.trusted && legalID(id) {
		x.id = id
	} else {
		x.id = f.router.config.RequestID()
	}
	return x
}

// mayPreview asks whether the client may see previews, and tells it if not.
func (x *exchange) mayPreview() bool {
	allowed := x.router.config.PreviewAllowed
	if allowed == nil || allowed(x.r) {
		return true
	}
	known := x.r.Header.Get("Authorization") != "" || x.r.Header.Get("Cookie") != ""
	x.page(pagePreviewClosed(x, known))
	return false
}

// end counts and logs the request, however it ended.
func (x *exchange) end() {
	if reason := recover(); reason != nil {
		defer x.breakOff(reason)
	}
	now := x.router.now()
	took := time.Duration(now - x.start)
	if !x.socket {
		x.router.ended(&x.place, ending{status: x.status, fault: x.fault, took: took, timed: !x.stream}, now)
	}
	x.logAccess(took)
}

func (x *exchange) logAccess(took time.Duration) {
	if x.router.lines == nil {
		return
	}
	line := accessLine{
		front: x.front, client: x.client, proto: x.r.Proto, scheme: x.scheme, method: x.r.Method,
		host: x.r.Host, target: target(x.r), status: x.status, sent: x.sent, took: took, id: x.id, fault: x.fault,
	}
	x.place.describe(&line)
	x.router.logAccess(&line)
}

// breakOff breaks the client's connection. A panic that is ours to mend is
// told, and ends this request only.
func (x *exchange) breakOff(reason any) {
	if reason != http.ErrAbortHandler {
		x.router.log.Error("request panicked", "error", fmt.Sprint(reason), "stack", string(debug.Stack()))
	}
	if x.pool != nil {
		x.unclaim()
	}
	x.reset()
	panic(http.ErrAbortHandler)
}

// reset resets the connection of an HTTP/1.0 client, to which the mere end of
// the connection would be the end of the answer.
func (x *exchange) reset() {
	hijacker, ok := x.w.(http.Hijacker)
	if !ok || !x.began || x.r.ProtoAtLeast(1, 1) {
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
