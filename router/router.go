package router

import (
	"crypto/rand"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"teal/deploy"
)

// Router sends requests to instances. It satisfies deploy.Router. Its table is
// memory: whoever makes one fills it with Point.
type Router struct {
	config Config
	limits Limits
	log    *slog.Logger
	born   time.Time

	table atomic.Pointer[table]
	date  atomic.Pointer[date]
	// stopping is closed when Serve ends: nobody waits any longer for an app on hold.
	stopping chan struct{}
	lines    *ring // of the access log; nil: none
	// dropped counts lines of the access log that were not kept up with or not written.
	dropped atomic.Uint64
	// unrouted counts the answers that concern no app.
	unrouted *tally
	// handlers is how many requests and sockets are being handled, and lets
	// Serve return only when they have ended.
	handlers atomic.Int64

	// mu serializes changes of the table. Requests never take it.
	mu      sync.Mutex
	tallies map[deploy.AppName]*tallies
	pools   map[deploy.AppName]map[int]*pool // by release
	claims  map[string][]deploy.AppName      // host → the apps that want it, first come first
	seen    uint64                           // counts Points, to find the oldest pool
}

var _ deploy.Router = (*Router)(nil)

// keptPools is how many releases per app that no front-end shows are
// remembered for their figures.
const keptPools = 8

// New makes a router with an empty table. It starts nothing: Serve does.
func New(c Config) *Router {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.CookieKey == nil {
		c.CookieKey = make([]byte, 32)
		rand.Read(c.CookieKey) // never fails
	}
	r := &Router{
		config:   c,
		limits:   c.Limits.withDefaults(),
		log:      c.Log,
		born:     time.Now(),
		tallies:  map[deploy.AppName]*tallies{},
		unrouted: &tally{},
		pools:    map[deploy.AppName]map[int]*pool{},
		claims:   map[string][]deploy.AppName{},

		stopping: make(chan struct{}),
	}
	if c.AccessLog != nil {
		r.lines = newRing()
	}
	r.table.Store(newTable())
	return r
}

// now is the router's clock: nanoseconds since it was made, monotonic.
func (r *Router) now() int64 { return int64(time.Since(r.born)) }

func (r *Router) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(r.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Point replaces the app's route in one atomic step: production and preview
// together. Connections and counters of a release that stays are kept.
func (r *Router) Point(route deploy.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen++
	next := r.table.Load().clone()
	before := next.app(route.App)
	e := &entry{route: route, gate: gateOf(route.Hold, before), tallies: r.tallies[route.App]}
	if e.tallies == nil {
		e.tallies = newTallies(route.App)
		r.tallies[route.App] = e.tallies
	}
	if before != nil && route.Live.Release != 0 && route.Live.Release != before.route.Live.Release {
		e.tallies.of(route.Live.Color).promotions.Add(1)
	}
	checked := e.checked()
	e.sides[production] = r.side(e.tallies, route.App, route.Live, checked)
	e.sides[preview] = r.side(e.tallies, route.App, route.Preview, checked)
	e.emptySince = r.emptySince(e, before)
	r.place(next, e)
	r.swap(next)
	before.open(e)
	r.retire(route.App)
}

// emptySince tells since when the entry has no running instance.
func (r *Router) emptySince(e, before *entry) int64 {
	switch {
	case len(e.sides[production].instances) > 0:
		return 0
	case before != nil && before.emptySince != 0:
		return before.emptySince
	}
	return max(r.now(), 1)
}

// Remove takes the app out of the table. Requests in flight end in their own time.
func (r *Router) Remove(app deploy.AppName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.table.Load().clone()
	old := next.app(app)
	if old == nil {
		return
	}
	next.apps.put(string(app), nil)
	delete(r.tallies, app)
	for _, host := range old.route.Hosts {
		r.giveUp(next, host, app)
	}
	r.swap(next)
	old.open(nil)
	r.retire(app)
}

// swap makes next the table. From here on no request starts on what next does not name.
func (r *Router) swap(next *table) {
	next.fallback = next.app(r.config.DefaultApp)
	old := r.table.Swap(next)
	close(old.replaced)
	if r.config.Repointed != nil {
		r.config.Repointed()
	}
}

// Hosts gives the hosts that production answers to, each with its app. It may
// be called at any time.
func (r *Router) Hosts() map[string]deploy.AppName {
	t := r.table.Load()
	hosts := make(map[string]deploy.AppName, t.hosts.count+t.wild.count)
	for host, e := range t.hosts.all() {
		hosts[host] = e.route.App
	}
	for suffix, e := range t.wild.all() {
		hosts["*"+suffix] = e.route.App
	}
	return hosts
}

// place puts the entry into the table under its hosts, and gives up the hosts
// that the app had and no longer wants.
func (r *Router) place(t *table, e *entry) {
	app := e.route.App
	e.route.Hosts = plainHosts(e.route.Hosts)
	if old := t.app(app); old != nil {
		for _, host := range old.route.Hosts {
			if !slices.Contains(e.route.Hosts, host) {
				r.giveUp(t, host, app)
			}
		}
	}
	t.apps.put(string(app), e)
	for _, host := range e.route.Hosts {
		if !slices.Contains(r.claims[host], app) {
			r.claims[host] = append(r.claims[host], app)
		}
		if owner := r.claims[host][0]; owner != app {
			r.log.Warn("host is wanted by two apps; the first keeps it", "host", host, "app", owner, "other", app)
			continue
		}
		t.set(host, e)
	}
}

// giveUp takes a host from the app; the next app that wanted it gets it.
func (r *Router) giveUp(t *table, host string, app deploy.AppName) {
	left := slices.DeleteFunc(r.claims[host], func(a deploy.AppName) bool { return a == app })
	if len(left) == 0 {
		delete(r.claims, host)
		t.set(host, nil)
		return
	}
	r.claims[host] = left
	t.set(host, t.app(left[0]))
}

func plainHosts(hosts []string) []string {
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		star := ""
		if len(h) > 2 && h[:2] == "*." {
			star, h = "*.", h[2:]
		}
		if h = plainHost(h); h != "" && !slices.Contains(out, star+h) {
			out = append(out, star+h)
		}
	}
	return out
}

// side makes what a front-end shows, with the pool of the release if it is known.
func (r *Router) side(counted *tallies, app deploy.AppName, b deploy.Backend, checked bool) side {
	if b.Release == 0 {
		return side{}
	}
	if r.pools[app] == nil {
		r.pools[app] = map[int]*pool{}
	}
	p := r.pools[app][b.Release]
	if p == nil {
		p = newPool(r, app, b.Release)
		r.pools[app][b.Release] = p
	}
	p.seen = r.seen
	s := side{backend: b, pool: p, tally: counted.of(b.Color)}
	p.tally.Store(s.tally)
	for _, in := range b.Instances {
		if in.Running && in.Addr.IsValid() {
			one := p.instance(in)
			one.watch(checked)
			s.instances = append(s.instances, one)
		}
	}
	return s
}

// retire closes the idle connections to what the table no longer names, and
// forgets the oldest of the app's releases that nothing points at.
func (r *Router) retire(app deploy.AppName) {
	e := r.table.Load().app(app)
	var unused []*pool
	for _, p := range r.pools[app] {
		p.keepOnly(func(in *instance) bool {
			return e != nil && (e.sides[production].names(in) || e.sides[preview].names(in))
		})
		if e == nil || (e.sides[production].pool != p && e.sides[preview].pool != p) {
			unused = append(unused, p)
		}
		if e == nil || !e.serves(production, p) {
			p.closeIdle()
		}
	}
	slices.SortFunc(unused, func(a, b *pool) int { return int(b.seen) - int(a.seen) })
	for i, p := range unused {
		if (e == nil || i >= keptPools) && p.empty() {
			delete(r.pools[app], p.release)
		}
	}
	if len(r.pools[app]) == 0 {
		delete(r.pools, app)
	}
}

// pool gives the pool of a release; nil for one never seen.
func (r *Router) pool(app deploy.AppName, release int) *pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pools[app][release]
}
