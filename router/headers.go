package router

import (
	"strings"

	"teal/router/http1"
)

const nameRequestID = http1.XRequestID

// fate is what happens to a header field of a request on its way through.
type fate uint8

const (
	pass     fate = iota // passed on as it is
	drop                 // concerns this connection only, or is the router's to write
	identity             // says who the client is: believed from trusted proxies only
	stated               // the same, and written anew by the router
)

// fates are by name; those not here pass.
var fates = [256]fate{
	http1.Connection: drop, http1.ProxyConnection: drop, http1.KeepAlive: drop, http1.TE: drop,
	http1.Trailer: drop, http1.TransferEncoding: drop, http1.Upgrade: drop, http1.HTTP2Settings: drop,
	http1.ProxyAuthenticate: drop, http1.ProxyAuthorization: drop,
	http1.ContentLength: drop, http1.Expect: drop, http1.Host: drop,
	http1.Proxy: drop, // becomes HTTP_PROXY in CGI programs: https://httpoxy.org

	http1.XRealIP: identity, http1.XRequestStart: identity, http1.XForwardedOther: identity,
	http1.Forwarded: stated, http1.XRequestID: stated,
	http1.XForwardedFor: stated, http1.XForwardedProto: stated, http1.XForwardedHost: stated,
}

// passes tells whether a field of the request goes to the instance as it came.
func (x *exchange) passes(f http1.Field) bool {
	switch fates[f.Name] {
	case drop, stated:
		return false
	case identity:
		if !x.who.trusted {
			return false
		}
	}
	if f.Odd && lookAlike(string(x.req.NameOf(f))) {
		return false
	}
	return !x.req.Named || !hopNamed(&x.req.Head, x.req.NameOf(f))
}

// passesBack tells whether a field of the answer goes to the client. The
// length of the body is the router's to say.
func (x *exchange) passesBack(f http1.Field) bool {
	switch f.Name {
	case http1.Connection, http1.ProxyConnection, http1.KeepAlive, http1.TE, http1.Trailer,
		http1.TransferEncoding, http1.Upgrade, http1.ContentLength:
		return false
	case http1.XRobotsTag:
		if x.front == preview {
			return false
		}
	}
	return !x.answer.Named || !hopNamed(&x.answer.Head, x.answer.NameOf(f))
}

// endToEnd tells whether a field, by its name in lower case, is of those that
// no Connection field can take away: an attacker could else strip what the app
// decides by (RFC 9110 §7.6.1 forbids naming end-to-end fields, and nobody
// with good intentions does).
func endToEnd(name string) bool {
	switch name {
	case "authorization", "cookie", "set-cookie", "host", "origin", "referer", "user-agent", "range", "date",
		"cache-control", "etag", "vary", "location", "www-authenticate", "retry-after", "age", "expires",
		"last-modified", "link", "server", "strict-transport-security", "forwarded", "x-request-id", "x-real-ip",
		"x-csrf-token", "x-requested-with", "x-api-key", "idempotency-key":
		return true
	}
	for _, prefix := range [...]string{"content-", "accept", "access-control-", "if-", "sec-", "x-forwarded-", "x-content-", "x-frame-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// lookAlike tells whether a name with other characters than letters, digits
// and "-" is read by an app as one of those that count: CGI, WSGI, Rack and
// PHP make X_Forwarded_For and X-Forwarded-For the same variable.
func lookAlike(name string) bool {
	folded := strings.Map(func(r rune) rune {
		if r < 0x80 && isAlnum(byte(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return fates[http1.NameOf([]byte(folded))] != pass || endToEnd(folded)
}

func isAlnum(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// hopNamed tells whether a Connection field names the field, and may take it away.
func hopNamed(h *http1.Head, name []byte) bool {
	lower := strings.ToLower(string(name))
	return h.HasToken(http1.Connection, lower) && !endToEnd(lower)
}
