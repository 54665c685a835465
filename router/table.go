package router

import (
	"math/rand/v2"
	"strings"

	"teal/deploy"
)

// frontEnd is which listening port a request came in by.
type frontEnd int

const (
	production frontEnd = iota
	preview
)

func (f frontEnd) String() string {
	if f == preview {
		return "preview"
	}
	return "production"
}

// table is the snapshot that requests are routed by. It is never changed:
// Point makes another one and swaps the pointer.
type table struct {
	hosts index // exact, as plainHost gives them
	wild  index // "*.example.com" is kept as ".example.com"
	apps  index
	// fallback answers the hosts that nobody has; nil: no app does.
	fallback *entry
	// replaced is closed when a newer table has taken this one's place.
	replaced chan struct{}
}

// entry is one app in a table.
type entry struct {
	route deploy.Route
	sides [2]side // by frontEnd; while Share > 0 production uses that of preview too
	gate  *gate   // nil: not on hold
	// emptySince is since when no instance of Live runs, by Router.now; 0: one does.
	emptySince int64

	tallies *tallies
}

// side is what one front-end shows of an app.
type side struct {
	backend   deploy.Backend
	pool      *pool       // nil: there is no release
	instances []*instance // the running ones
	tally     *tally
}

func newTable() *table { return &table{replaced: make(chan struct{})} }

// clone gives a table that can be changed before it is the snapshot.
func (t *table) clone() *table {
	return &table{hosts: t.hosts, wild: t.wild, apps: t.apps, replaced: make(chan struct{})}
}

func (t *table) app(name deploy.AppName) *entry { return t.apps.get(string(name)) }

// find looks a host up: exact first, then a wildcard for exactly one label,
// then the default app.
func (t *table) find(host string) *entry {
	if e := t.hosts.get(host); e != nil {
		return e
	}
	if i := strings.IndexByte(host, '.'); i > 0 {
		if e := t.wild.get(host[i:]); e != nil {
			return e
		}
	}
	return t.fallback
}

// set makes e the entry of the host (nil: of none).
func (t *table) set(host string, e *entry) {
	if suffix, ok := strings.CutPrefix(host, "*"); ok {
		t.wild.put(suffix, e)
		return
	}
	t.hosts.put(host, e)
}

// names tells whether the side still sends requests to the instance.
func (s *side) names(in *instance) bool {
	for _, have := range s.instances {
		if have == in {
			return true
		}
	}
	return false
}

// choose picks an instance: of two at random the one with fewer requests. One
// that is known to be down, or is to be avoided, is taken only if all are: the
// app may be better than what is known of it.
func (s *side) choose(now int64, avoid *instance) *instance {
	n := len(s.instances)
	switch n {
	case 0:
		return nil
	case 1:
		return s.instances[0]
	}
	i := rand.IntN(n)
	j := (i + 1 + rand.IntN(n-1)) % n
	best := s.instances[i]
	if s.instances[j].betterThan(best, avoid, now) {
		best = s.instances[j]
	}
	for k := 0; k < n && (best == avoid || !best.well(now)); k++ {
		if in := s.instances[(i+k)%n]; in != avoid && in.well(now) {
			best = in
		}
	}
	return best
}

// someWell tells whether an instance can be asked that is not known to be down.
func (s *side) someWell(now int64, avoid *instance) bool {
	for _, in := range s.instances {
		if in != avoid && in.well(now) {
			return true
		}
	}
	return false
}
