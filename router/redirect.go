package router

import (
	"net/http"
	"strings"

	"teal/router/http1"
)

// challengePath is what the questions of ACME authorities begin with (RFC 8555 §8.3).
const challengePath = "/.well-known/acme-challenge/"

// challenge gives the answer to a question of an ACME authority. target is the
// request's, with its query. It is asked before the host is looked up: the
// question comes for hosts that have no release yet, too.
func (r *Router) challenge(end frontEnd, method, host, target string) (answer string, ok bool) {
	if end != production || r.config.Challenge == nil || method != http.MethodGet || !strings.HasPrefix(target, challengePath) {
		return "", false
	}
	path, _, _ := strings.Cut(target, "?")
	return r.config.Challenge(host, strings.Clone(path)) // who is asked may keep it
}

// redirect gives where a request that came without TLS is sent: to the same
// host over TLS, with path and query byte for byte. "": nowhere, it is
// answered as it is, as is everything for a host without a certificate: a
// visitor is not sent to a page that can't be shown. On the preview, which
// speaks TLS at the same port, it comes before the question for a password.
func (x *exchange) redirect(e *entry) string {
	c := &x.router.config
	if e == nil || !e.route.Redirect || c.Secured == nil || x.secure() || !c.Secured(x.host) {
		return ""
	}
	port := c.SecurePort
	if x.front == preview {
		if c.NetHTTP {
			return ""
		}
		port = portOf(string(x.req.Host()))
	}
	return "https://" + x.host + port + string(x.req.Target())
}

// portOf gives ":8888" of a valid Host field; "" when it names no port.
func portOf(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[i:]
	}
	return ""
}

// secure tells whether the client has used TLS: with us, or with a proxy that
// is believed.
func (x *exchange) secure() bool {
	if x.who.trusted {
		if said := x.req.First(http1.XForwardedProto); len(said) > 0 {
			return http1.EqualFold(said, "https")
		}
	}
	return x.who.scheme == "https"
}

// say answers with a few words of the router's own; location "": without that field.
func (x *exchange) say(status int, kind, body, location string) {
	h := http.Header{"Content-Type": {kind}, "X-Request-Id": {x.requestID()}}
	if location != "" {
		h.Set("Location", location)
	}
	x.reply(status, h, body)
}
