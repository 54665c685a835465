package certs

import (
	"crypto/tls"
	"math/rand/v2"
	"time"

	"teal/deploy"
)

// host is a host that production serves, and what was obtained for it.
type host struct {
	name string
	app  deploy.AppName
	cert *tls.Certificate // nil: none yet
	next time.Time        // when it is checked, or asked for, again

	failures int       // in a row
	since    time.Time // the first of them
	err      string    // the last of them
}

// load takes what is kept on disk, so that a restart asks nobody.
func (h *host) load(desk *authority, now time.Time) {
	h.cert = desk.kept(h.name)
	if h.cert == nil {
		return
	}
	if left := h.cert.Leaf.NotAfter.Sub(now); left > time.Duration(float64(lifetime(h.cert))*desk.renewAt) {
		h.next = now.Add(between(h.cert))
	}
}

// settle takes the outcome of an attempt. An authority that fails leaves the
// certificate that was there.
func (h *host) settle(a attempt, now time.Time, retry func(int) time.Duration) {
	if a.cert != nil {
		h.cert = a.cert
	}
	if a.err == nil {
		h.failures, h.since, h.err = 0, time.Time{}, ""
		h.next = now.Add(between(h.cert))
		return
	}
	if h.failures++; h.failures == 1 {
		h.since = now
	}
	h.err = explain(a.err)
	h.next = now.Add(retry(h.failures))
}

// rank orders the hosts that are due: certificates that end soon, then hosts
// that have none, then the others. However many new hosts there are that no
// authority can reach, they keep no other one from its renewal.
func (h *host) rank(now time.Time) int {
	switch {
	case h.cert == nil:
		return 1
	case describe(deploy.Certificate{}, h.cert, nil).Scarce(now):
		return 0
	}
	return 2
}

// expiry is the end of the certificate; zero while there is none.
func (h *host) expiry() time.Time {
	if h.cert == nil {
		return time.Time{}
	}
	return h.cert.Leaf.NotAfter
}

func lifetime(c *tls.Certificate) time.Duration { return c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) }

// between is the pause between two checks of a certificate: a few hundred in
// its life, spread so that those obtained together are not checked together.
func between(c *tls.Certificate) time.Duration {
	d := min(max(lifetime(c)/300, time.Second), 6*time.Hour)
	return d - rand.N(d/5)
}
