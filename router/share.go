package router

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// ticketCookie holds the ticket of a client while a promotion is gradual.
const ticketCookie = "teal_ticket"

// ticket decides on which side of a gradual promotion a client is. With the
// release it gives a number from 0 to 99, its lot; the client is on the new
// side if that is below the route's Share. So it stays there while Share
// rises, nothing has to be remembered, and another release begins with others.
//
// A browser gets its ticket as a cookie. A client that logs in with each
// request has the hash of that as its ticket. Any other is drawn anew with
// each request: its address would put everybody behind one proxy on one side.
type ticket struct {
	number uint64
	known  bool
	drawn  bool // and has to be told to the client
}

// sideFor gives the side that answers the request. The new side of a gradual
// promotion is passed over when no instance of it is well.
func (e *entry) sideFor(a *asker, p *place, now int64) *side {
	if a.front != production || e.route.Share <= 0 {
		return &e.sides[a.front]
	}
	canary := &e.sides[preview]
	if canary.pool == nil {
		return &e.sides[production]
	}
	if !p.ticket.known {
		p.ticket = ticketOf(a)
	}
	if p.ticket.lot(canary.backend.Release) < e.route.Share && canary.someWell(now, p.avoid) {
		return canary
	}
	return &e.sides[production]
}

func ticketOf(a *asker) ticket {
	if n, err := strconv.ParseUint(cookie(a.cookies, ticketCookie), 16, 64); err == nil {
		return ticket{number: n, known: true}
	}
	if a.login != "" {
		return ticket{number: hashOf(a.login), known: true}
	}
	return ticket{number: rand.Uint64(), known: true, drawn: true}
}

// lot mixes the ticket with the release (the finalizer of splitmix64).
func (t ticket) lot(release int) int {
	z := t.number + uint64(release)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % 100)
}

func (t ticket) cookie(secure bool) string {
	return cookieLine(ticketCookie, fmt.Sprintf("%016x", t.number), secure)
}

// hashOf is FNV-1a: the same in every process, since a restart must not deal again.
func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
