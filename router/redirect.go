package router

import (
	"net/http"
	"strconv"
	"strings"
	"time"
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
	return r.config.Challenge(host, path)
}

// redirect gives where a request that came without TLS is sent: to the same
// host over TLS, with path and query byte for byte. "": nowhere, it is
// answered as it is, as is everything for a host without a certificate: a
// visitor is not sent to a page that can't be shown. host is a plainHost,
// target has the query.
func (r *Router) redirect(e *entry, end frontEnd, secure bool, host, target string) string {
	if secure || end != production || !e.route.Redirect || r.config.Secured == nil || !r.config.Secured(host) {
		return ""
	}
	return "https://" + host + r.config.SecurePort + target
}

// secure tells whether the client has used TLS: with us, or with a proxy that
// is believed.
func (x *exchange) secure() bool {
	if x.trusted {
		if said := x.r.Header.Get("X-Forwarded-Proto"); said != "" {
			return strings.EqualFold(said, "https")
		}
	}
	return x.scheme == "https"
}

// say answers with a few words of the router's own.
func (x *exchange) say(status int, kind, body string) {
	h := x.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Request-Id", x.id)
	if x.streams() {
		x.readDeadline(time.Now().Add(unreadBody)) // net/http reads some of it
	}
	x.armWrite()
	x.status, x.began = status, true
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		n, _ := x.w.Write([]byte(body))
		x.sent += int64(n)
	}
}
