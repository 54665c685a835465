package router

import (
	"net/http"
	"strings"

	"teal/router/http1"
)

// refusal is why a request is not let in.
type refusal struct {
	status int
	text   string
}

// guard refuses what net/http's server lets through and what an app, or a
// parser between here and there, could understand otherwise.
func guard(r *http.Request) *refusal {
	switch {
	case r.Method == http.MethodConnect:
		return &refusal{http.StatusNotImplemented, "CONNECT is not offered here"}
	case !http1.IsToken([]byte(r.Method)):
		return &refusal{http.StatusBadRequest, "the method is not one"}
	case r.Host != "" && plainHost(r.Host) == "":
		return &refusal{http.StatusBadRequest, "the Host is not a host name"}
	case !isTarget(target(r)):
		return &refusal{http.StatusBadRequest, "the request target is not a path"}
	case r.ProtoMajor == 2:
		return guardHTTP2(r)
	}
	return nil
}

// guardHTTP2 refuses the connection-specific fields of HTTP/1.1 (RFC 9113
// §8.2.2), and what would have to be chosen from when it is said in HTTP/1.1.
func guardHTTP2(r *http.Request) *refusal {
	if !strings.HasPrefix(r.RequestURI, "/") {
		return &refusal{http.StatusBadRequest, "the request target is not a path"}
	}
	// net/http takes one that it can't read for 0.
	if length := r.Header["Content-Length"]; len(length) > 1 || len(length) == 1 && !isLength(length[0]) {
		return &refusal{http.StatusBadRequest, "the Content-Length is not one number"}
	}
	for _, name := range [...]string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"} {
		if _, there := r.Header[name]; there {
			return &refusal{http.StatusBadRequest, "the field " + name + " has no place in HTTP/2"}
		}
	}
	if te := r.Header["Te"]; len(te) > 0 && (len(te) > 1 || te[0] != "trailers") {
		return &refusal{http.StatusBadRequest, "the field TE may only say trailers in HTTP/2"}
	}
	return nil
}

// isLength tells whether s can be a Content-Length (RFC 9110 §8.6).
func isLength(s string) bool {
	return s != "" && len(s) < 19 && strings.Trim(s, "0123456789") == ""
}

// guardUpgrade lets only WebSockets change the protocol. An app that accepted
// "Upgrade: h2c" would speak HTTP/2 past all rules here.
func guardUpgrade(r *http1.Request) *refusal {
	switch {
	case !r.Upgrades:
		return nil
	case r.HasToken(http1.Upgrade, "h2c"):
		return &refusal{http.StatusBadRequest, "an upgrade to h2c is not offered; speak HTTP/2 from the first byte"}
	case r.Length != 0:
		return &refusal{http.StatusBadRequest, "a request with a body can't change the protocol"}
	}
	return nil
}

// wantsWebSocket tells whether the request opens a WebSocket (RFC 6455 §4.1).
// Any other Upgrade is not passed on; RFC 9110 §7.8 lets a server ignore it.
func wantsWebSocket(r *http1.Request) bool {
	if !r.Upgrades || r.Minor != 1 || string(r.Method()) != http.MethodGet || !r.HasToken(http1.Connection, "upgrade") {
		return false
	}
	upgrades := 0
	for _, f := range r.Fields {
		if f.Name == http1.Upgrade {
			if upgrades++; upgrades > 1 || !http1.EqualFold(r.Value(f), "websocket") {
				return false
			}
		}
	}
	return true
}

// target gives the path and query byte for byte as they came. The absolute
// form loses scheme and host, which net/http has made the Host (RFC 9112 §3.2.2).
func target(r *http.Request) string {
	uri := r.RequestURI
	if strings.HasPrefix(uri, "/") {
		return uri
	}
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	switch i := strings.IndexAny(rest, "/?"); {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

// isTarget tells whether s can stand in a request line, as origin-form.
func isTarget(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b == 0x7f || b == '#' {
			return false
		}
	}
	return true
}
