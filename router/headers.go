package router

import (
	"net/http"
	"net/textproto"
	"strings"
)

// fate is what happens to a header field on its way through.
type fate int

const (
	pass     fate = iota // passed on as it is
	drop                 // concerns this connection only, or is the router's to write
	identity             // says who the client is: believed from trusted proxies only
)

// fateOf judges a field of a request by its canonical name.
func fateOf(name string) fate {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Http2-Settings", "Proxy-Authenticate", "Proxy-Authorization",
		"Content-Length", "Expect", "Host",
		"Proxy": // becomes HTTP_PROXY in CGI programs: https://httpoxy.org
		return drop
	case "Forwarded", "X-Real-Ip", "X-Request-Id", "X-Request-Start":
		return identity
	}
	if strings.HasPrefix(name, "X-Forwarded-") {
		return identity
	}
	return pass
}

// endToEnd tells whether a field is of those that no Connection field can take
// away: an attacker could else strip what the app decides by (RFC 9110 §7.6.1
// forbids naming end-to-end fields, and nobody with good intentions does).
func endToEnd(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Set-Cookie", "Host", "Origin", "Referer", "User-Agent", "Range", "Date",
		"Cache-Control", "Etag", "Vary", "Location", "Www-Authenticate", "Retry-After", "Age", "Expires",
		"Last-Modified", "Link", "Server", "Strict-Transport-Security", "Forwarded", "X-Request-Id", "X-Real-Ip",
		"X-Csrf-Token", "X-Requested-With", "X-Api-Key", "Idempotency-Key":
		return true
	}
	for _, prefix := range [...]string{"Content-", "Accept", "Access-Control-", "If-", "Sec-", "X-Forwarded-", "X-Content-", "X-Frame-"} {
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
	odd := false
	for i := range len(name) {
		if b := name[i]; b != '-' && !isAlnum(b) {
			odd = true
			break
		}
	}
	if !odd {
		return false
	}
	folded := textproto.CanonicalMIMEHeaderKey(strings.Map(func(r rune) rune {
		if r < 0x80 && isAlnum(byte(r)) {
			return r
		}
		return '-'
	}, name))
	return fateOf(folded) != pass || endToEnd(folded)
}

func isAlnum(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// hopNamed gives the fields that a Connection field names and that may be
// taken away with it; nil in the usual case.
func hopNamed(h http.Header) []string {
	var named []string
	for _, v := range h["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			token = strings.TrimSpace(token)
			if token == "" || strings.EqualFold(token, "keep-alive") || strings.EqualFold(token, "close") {
				continue
			}
			if name := textproto.CanonicalMIMEHeaderKey(token); !endToEnd(name) {
				named = append(named, name)
			}
		}
	}
	return named
}

// hasToken tells whether a comma-separated field has the token.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// wireName gives the name as it is written: Go's canonical form of the
// WebSocket fields is not the RFC's, and some apps compare it literally.
func wireName(name string) string {
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		return "Sec-WebSocket-" + rest
	}
	return name
}
