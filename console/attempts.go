package console

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits on log in: a token has 256 bits, so this is about load and log noise,
// not about guessing.
const (
	attemptsEach   = 10          // per address and window
	attemptsWindow = time.Minute // after which an address starts anew
	attemptsKept   = 4096        // addresses remembered; beyond it the table is emptied
)

// attempts counts failed log ins by address.
type attempts struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[netip.Prefix]window // guarded by mu
}

type window struct {
	since time.Time
	n     int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, by: map[netip.Prefix]window{}}
}

// take counts an attempt, and tells whether it may be made.
func (a *attempts) take(from netip.Prefix) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	w := a.by[from]
	if now.Sub(w.since) >= attemptsWindow {
		w = window{since: now}
	}
	if w.n >= attemptsEach {
		return false
	}
	w.n++
	if len(a.by) >= attemptsKept {
		clear(a.by)
	}
	a.by[from] = w
	return true
}

// succeeded takes the attempt back: only failures count, so that people behind
// one address do not lock each other out.
func (a *attempts) succeeded(from netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w, ok := a.by[from]; ok && w.n > 0 {
		w.n--
		a.by[from] = w
	}
}

// network is the address that an attempt is counted for: one IPv4 address, or
// the /64 that one IPv6 host may choose from freely.
func network(r *http.Request) netip.Prefix {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := ap.Addr().Unmap(), 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}
