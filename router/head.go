package router

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// appendHead writes the head of the request as the instance gets it.
func (x *exchange) appendHead(b []byte) []byte {
	r := x.r
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, target(r)...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", r.Host)
	b = x.appendFields(b)
	b = x.appendIdentity(b)
	b = x.appendFraming(b)
	return append(b, "\r\n"...)
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendFields writes the fields that are passed on as they are.
func (x *exchange) appendFields(b []byte) []byte {
	named := hopNamed(x.r.Header)
	for name, values := range x.r.Header {
		switch {
		case fateOf(name) == drop, lookAlike(name), slices.Contains(named, name):
			continue
		case fateOf(name) == identity && (!x.trusted || x.writesIdentity(name)):
			continue
		}
		name = wireName(name)
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	return b
}

// writesIdentity: those that appendIdentity writes itself.
func (x *exchange) writesIdentity(name string) bool {
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Request-Id":
		return true
	}
	return false
}

// appendIdentity says who asked, for which host and how, and under which id.
func (x *exchange) appendIdentity(b []byte) []byte {
	h := http.Header(nil)
	if x.trusted {
		h = x.r.Header
	}
	b = appendField(b, "X-Forwarded-For", after(h["X-Forwarded-For"], x.client))
	b = appendField(b, "X-Forwarded-Proto", or(h.Get("X-Forwarded-Proto"), x.scheme))
	b = appendField(b, "X-Forwarded-Host", or(h.Get("X-Forwarded-Host"), x.r.Host))
	b = append(b, "Forwarded: "...)
	if before := h["Forwarded"]; len(before) > 0 {
		b = append(b, strings.Join(before, ", ")...)
		b = append(b, ", "...)
	}
	b = x.appendForwarded(b)
	return appendField(b, "X-Request-Id", x.id)
}

// appendForwarded writes one element of RFC 7239.
func (x *exchange) appendForwarded(b []byte) []byte {
	b = append(b, "for="...)
	if strings.Contains(x.client, ":") {
		b = append(b, `"[`...)
		b = append(b, x.client...)
		b = append(b, `]"`...)
	} else {
		b = append(b, x.client...)
	}
	b = append(b, `;host="`...)
	b = append(b, x.r.Host...)
	b = append(b, `";proto=`...)
	b = append(b, x.scheme...)
	return append(b, "\r\n"...)
}

// appendFraming says how long the body is, and what is asked of the connection.
func (x *exchange) appendFraming(b []byte) []byte {
	r := x.r
	switch {
	case x.websocket:
		return append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case r.ContentLength > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.ContentLength, 10)
		b = append(b, "\r\n"...)
	case r.ContentLength < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Method == http.MethodPost, r.Method == http.MethodPut, r.Method == http.MethodPatch:
		b = append(b, "Content-Length: 0\r\n"...)
	}
	if x.expects {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if hasToken(r.Header["Te"], "trailers") {
		b = append(b, "Te: trailers\r\nConnection: te\r\n"...)
	}
	return b
}

func after(list []string, last string) string {
	if len(list) == 0 {
		return last
	}
	return strings.Join(list, ", ") + ", " + last
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}

// addressOf gives the address in a net/http RemoteAddr, without port and zone.
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
func legalID(id string) bool {
	if len(id) < 20 || len(id) > 200 {
		return false
	}
	for i := range len(id) {
		if b := id[i]; !isAlnum(b) && strings.IndexByte("-_.:/+=", b) < 0 {
			return false
		}
	}
	return true
}
