// Package router carries every request of every user to an instance of the
// color that serves, and switches between colors without dropping one.
//
// # The switch
//
// The table (host → app → instances of production and of preview) is an
// immutable snapshot behind one atomic pointer. [Router.Point] builds the next
// snapshot and swaps the pointer; nothing reloads. A request takes its place
// by load, add, re-check: it loads the snapshot, adds itself to the in-flight
// count of the release it found there, and looks whether the snapshot is still
// the current one; if not, it takes itself off and begins again. So once Point
// has returned, no request starts on a release that the new route does not
// name, and the in-flight count of the old one can only fall.
// [Router.Drain] waits for it to reach zero.
//
// Two routes bend that rule on purpose. While a promotion is gradual
// (deploy.Route.Share) production has two sides, and each client keeps to one
// (share.go). While an app is on hold (deploy.Route.Hold) new requests wait
// before the claim, until the next Point without it (hold.go).
//
// # The life of a request
//
//	door       HTTP/1.1 is read here (http1), HTTP/2 by net/http's server
//	guard      what an app, or a parser on the way, could take otherwise is refused
//	claim      host → app → side → release → instance with the fewer requests of two,
//	           or the one that the client's cookie names (sticky.go)
//	connect    a pooled connection that is alive, or a fresh one
//	send       the head as it came, minus hop-by-hop, plus who forwarded it
//	receive    1xx pass at once; the head, the body as it comes, the trailers
//	settle     the connection goes back on the shelf if both sides are whole
//
// A connection's goroutine reads a request, drives the upstream connection
// itself and writes the answer: no hand-over to other goroutines, except one
// for a request body that is too large to be read first. Heads are parsed where
// they were read, and nothing is allocated in the steady state; a connection
// that waits holds no buffer. The request path takes no lock of this package
// and touches no store; the mutexes here guard changes of the table, and the
// registers of open connections, which change when one is opened or closed.
// Only a request to an HTTP/2 app (h2c, gRPC), which has no connection of its
// own, enters and leaves its release's register by itself.
//
// # Again, or not
//
// A request is tried again only if that cannot deliver it twice: always when
// no connection was had; when nothing of it was written; and, for GET, HEAD,
// OPTIONS and TRACE without a body, once when the connection ended before the
// first byte of an answer. Each try claims anew, so it follows a switch. A
// request that must not be sent twice is given a used connection only if the
// instance has shown that it keeps idle ones open (see trust.go).
//
// An answer that breaks off is passed on as broken: the client's connection
// (or stream) is reset, nothing is appended, and it is never shown as complete.
package router
