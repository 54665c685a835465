package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// stickyCookie names the instance that a client stays on (deploy.Route.Sticky).
const stickyCookie = "teal_instance"

// tokenOf is what a client knows its instance by: it tells nothing of it and
// can't be guessed.
func (r *Router) tokenOf(id string) string {
	mac := hmac.New(sha256.New, r.config.CookieKey)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:12])
}

// stick chooses the instance that the client's cookie names, while that is
// well, else another one; told: the cookie says it already.
func (s *side) stick(cookies []string, avoid *instance, now int64) (in *instance, told bool) {
	token := cookie(cookies, stickyCookie)
	if token != "" {
		for _, in := range s.instances {
			if in.token == token && in != avoid && in.well(now) {
				return in, true
			}
		}
	}
	in = s.choose(now, avoid)
	return in, in != nil && in.token == token
}

// cookie is the Set-Cookie value that binds a client to the instance.
func (in *instance) cookie(secure bool) string { return cookieLine(stickyCookie, in.token, secure) }

// cookieLine is a Set-Cookie value for this host and all of its paths, until
// the browser is closed (RFC 6265 §4.1).
func cookieLine(name, value string, secure bool) string {
	line := name + "=" + value + "; Path=/; HttpOnly; SameSite=Lax"
	if secure {
		line += "; Secure"
	}
	return line
}

// cookie finds the value of a cookie in Cookie fields; "" when it is not
// there. Of several the first counts, as in most apps (RFC 6265 §5.4).
func cookie(fields []string, name string) string {
	for _, rest := range fields {
		for rest != "" {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			key, value, _ := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			if key == name {
				return strings.Trim(value, "\" \t")
			}
		}
	}
	return ""
}
