package router

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"teal/router/http1"
)

// appendHead writes the head of the request as the instance gets it: the
// fields in the order and spelling in which they came.
func (x *exchange) appendHead(b []byte) []byte {
	r := &x.req
	b = append(b, r.Method()...)
	b = append(b, ' ')
	b = append(b, r.Target()...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host()...)
	b = append(b, "\r\n"...)
	for _, f := range r.Fields {
		if x.passes(f) {
			b = appendField(b, r.NameOf(f), r.Value(f))
		}
	}
	b = x.appendIdentity(b)
	b = x.appendFraming(b)
	return append(b, "\r\n"...)
}

func appendField(b, name, value []byte) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendIdentity says who asked, for which host and how, and under which id.
// What it says of a client that is not trusted is the same for every request
// of the connection.
func (x *exchange) appendIdentity(b []byte) []byte {
	switch w := x.who; {
	case w.trusted:
		b = x.appendStatement(b)
	case w.saidFor != "" && w.saidFor == string(x.req.Host()):
		b = append(b, w.said...)
	default:
		from := len(b)
		b = x.appendStatement(b)
		w.saidFor = string(x.req.Host())
		w.said = append(w.said[:0], b[from:]...)
	}
	b = append(b, "X-Request-Id: "...)
	b = x.appendID(b)
	return append(b, "\r\n"...)
}

func (x *exchange) appendStatement(b []byte) []byte {
	w := x.who
	b = append(b, "X-Forwarded-For: "...)
	b = x.appendBefore(b, http1.XForwardedFor)
	b = append(b, w.addr...)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = x.appendFirst(b, http1.XForwardedProto, w.scheme)
	b = append(b, "\r\nX-Forwarded-Host: "...)
	b = x.appendFirst(b, http1.XForwardedHost, string(x.req.Host()))
	b = append(b, "\r\nForwarded: "...)
	b = x.appendBefore(b, http1.Forwarded)
	return x.appendForwarded(b)
}

// appendBefore writes what a trusted client said in a list, for ours to follow.
func (x *exchange) appendBefore(b []byte, n http1.Name) []byte {
	if !x.who.trusted {
		return b
	}
	for _, f := range x.req.Fields {
		if f.Name == n {
			b = append(b, x.req.Value(f)...)
			b = append(b, ", "...)
		}
	}
	return b
}

// appendFirst writes what a trusted client said, else ours.
func (x *exchange) appendFirst(b []byte, n http1.Name, ours string) []byte {
	if x.who.trusted {
		if v := x.req.First(n); len(v) > 0 {
			return append(b, v...)
		}
	}
	return append(b, ours...)
}

// appendForwarded writes one element of RFC 7239.
func (x *exchange) appendForwarded(b []byte) []byte {
	w := x.who
	b = append(b, "for="...)
	if strings.Contains(w.addr, ":") {
		b = append(b, `"[`...)
		b = append(b, w.addr...)
		b = append(b, `]"`...)
	} else {
		b = append(b, w.addr...)
	}
	b = append(b, `;host="`...)
	b = append(b, x.req.Host()...)
	b = append(b, `";proto=`...)
	b = append(b, w.scheme...)
	return append(b, "\r\n"...)
}

// appendFraming says how long the body is, and what is asked of the connection.
func (x *exchange) appendFraming(b []byte) []byte {
	r := &x.req
	switch {
	case x.websocket:
		return append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case r.Length > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, "\r\n"...)
	case r.Length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case x.method == http.MethodPost, x.method == http.MethodPut, x.method == http.MethodPatch:
		b = append(b, "Content-Length: 0\r\n"...)
	}
	if r.Expects {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if r.HasToken(http1.TE, "trailers") {
		b = append(b, "Te: trailers\r\nConnection: te\r\n"...)
	}
	return b
}

// addressOf gives the address in a RemoteAddr, without port and zone.
func addressOf(remote string) string {
	host := remote
	if i := strings.LastIndexByte(remote, ':'); i >= 0 {
		host = remote[:i]
	}
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%")
	return strings.TrimPrefix(host, "::ffff:")
}

func (r *Router) trustsClient(client string) bool {
	if len(r.config.TrustedProxies) == 0 {
		return false
	}
	addr, err := netip.ParseAddr(client)
	return err == nil && r.trusted(addr.Unmap())
}

// legalID tells whether a request id from a trusted proxy can be taken over.
func legalID(id []byte) bool {
	if len(id) < 20 || len(id) > 200 {
		return false
	}
	for _, b := range id {
		if !isAlnum(b) && strings.IndexByte("-_.:/+=", b) < 0 {
			return false
		}
	}
	return true
}
