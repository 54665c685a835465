package router

import "time"

// asker is what is known of a request that looks for its place: plain values,
// so that every way in can ask.
type asker struct {
	front     frontEnd
	host      string   // as plainHost gives it
	cookies   []string // the Cookie fields as they came
	login     string   // the Authorization field
	websocket bool
	leaver    leaver
}

// leaver is who may leave while its request waits.
type leaver interface {
	// leaving gives a channel that is closed when the client leaves; nil: that
	// can't be told. forget is called when nobody looks at it any more.
	leaving() (left <-chan struct{}, forget func())
}

// place is what a request was given: a release to count it in flight on, and
// then an instance of it.
type place struct {
	table  *table
	entry  *entry
	side   *side
	pool   *pool // nil: nothing is claimed
	in     *instance
	landed bool // the pool no longer counts it as in flight

	held   time.Duration // how long it waited while the app was on hold
	ticket ticket        // of a client that takes part in a gradual promotion
	avoid  *instance     // the one that the last try failed on
	index  int           // of the instance asked last, for the access log
	told   bool          // the client's cookie names the instance already
}

// verdict is what became of the search for a place.
type verdict int

const (
	placed     verdict = iota
	noApp              // no app has the host
	noRelease          // the front-end shows no release of it
	tooMany            // requests in flight, or sockets
	queueFull          // the app is on hold, and enough wait already
	heldLong           // the app was on hold for too long
	clientLeft         // while the app was on hold
)

// claim gives the request a place: load, add, re-check. On placed the caller
// has to give it back with Router.leave; entry is set unless there is no app.
func (r *Router) claim(a *asker, p *place) verdict {
	for {
		t := r.table.Load()
		e := t.find(a.host)
		p.table, p.entry = t, e
		if e == nil {
			return noApp
		}
		if e.gate != nil && a.front == production {
			if v := r.hold(e, a, p); v != placed {
				return v
			}
			continue
		}
		s := e.sideFor(a, p, r.now())
		if s.pool == nil {
			return noRelease
		}
		s.pool.flying[a.front].Add(1)
		if r.table.Load() != t {
			s.pool.leave(a.front)
			continue
		}
		p.side, p.pool, p.landed = s, s.pool, false
		if s.pool.inFlight()+s.pool.streams.count.Load() > int64(r.limits.MaxInFlight) ||
			a.websocket && s.pool.sockets.Load() >= int64(r.limits.MaxSockets) {
			return tooMany
		}
		return placed
	}
}

// land takes the request off the in-flight count; once.
func (p *place) land(f frontEnd) {
	if !p.landed {
		p.landed = true
		p.pool.leave(f)
	}
}

// leave gives the place back. What the request was told stays.
func (p *place) leave(f frontEnd) {
	p.land(f)
	if p.in != nil {
		p.in.flying.Add(-1)
		p.in = nil
	}
}

// choose gives the request an instance of its release; nil when none runs.
func (p *place) choose(a *asker, now int64) *instance {
	if p.entry.route.Sticky {
		p.in, p.told = p.side.stick(a.cookies, p.avoid, now)
	} else {
		p.in = p.side.choose(now, p.avoid)
	}
	if p.in != nil {
		p.in.flying.Add(1)
		p.index = p.in.Index
	}
	return p.in
}

// stillNamed tells whether the table of now would still send the request to
// its instance: making a connection takes long enough for a switch.
func (p *place) stillNamed(a *asker, now *table) bool {
	if now == p.table {
		return true
	}
	e := now.find(a.host)
	return e != nil && e.serves(a.front, p.pool) && (e.sides[a.front].names(p.in) || e.sides[preview].names(p.in))
}

// elsewhere tells whether another try can be made at once: the table has
// changed, or an instance can be asked that is not known to be down.
func (p *place) elsewhere(a *asker, t *table, now int64) bool {
	if t != p.table {
		return true
	}
	if a.front == production && p.side == &p.entry.sides[preview] {
		return true // the canary failed; the live side can be asked
	}
	in := p.side.choose(now, p.avoid)
	return in != nil && in.well(now)
}

// serves tells whether requests that come in by the front-end may start on the pool.
func (e *entry) serves(f frontEnd, p *pool) bool {
	switch {
	case f == production && e.gate != nil:
		return false
	case e.sides[f].pool == p:
		return true
	}
	return f == production && e.route.Share > 0 && e.sides[preview].pool == p
}

// describe says in a line of the access log where the request went.
func (p *place) describe(l *accessLine) {
	if p.entry != nil {
		l.app = p.entry.route.App
	}
	if p.side != nil {
		l.color, l.release, l.instance = p.side.backend.Color, p.side.pool.release, p.index
	}
	l.held = p.held
}

// setCookies appends the values of the Set-Cookie fields that the answer
// needs; none in the usual case. secure: the client came by https.
func (p *place) setCookies(to []string, secure bool) []string {
	if p.ticket.drawn {
		to = append(to, p.ticket.cookie(secure))
	}
	if p.in != nil && p.entry.route.Sticky && !p.told {
		to = append(to, p.in.cookie(secure))
	}
	return to
}
