package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal/deploy"
)

// Manager gets, keeps and shows certificates.
type Manager struct {
	config Config
	log    *slog.Logger
	now    atomic.Pointer[served]
	wake   chan struct{}
	settle chan chan struct{} // closed by the loop when all hosts were looked up
	ended  chan attempt

	mu     sync.Mutex // guards what follows; Run's goroutine writes it, Status reads
	own    []*own
	hosts  map[string]*host
	asking map[string]bool   // names that an attempt is under way for: atOnce at most
	told   map[string]string // by subject: the last thing that was told of it
}

const (
	// look is how often own files are looked at, at the latest.
	look = 10 * time.Second
	// atOnce is how many certificates are asked for at the same time.
	atOnce = 4
	// patience bounds one attempt. The authority may let it wait in a queue.
	patience = 5 * time.Minute
)

// New makes a manager and reads the own certificates. It asks nobody: Run does.
func New(c Config) (*Manager, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Retry == nil {
		c.Retry = pause
	}
	if c.Hosts == nil {
		c.Hosts = func() map[string]deploy.AppName { return nil }
	}
	m := &Manager{
		config: c, log: c.Log, wake: make(chan struct{}, 1), settle: make(chan chan struct{}), ended: make(chan attempt, atOnce),
		hosts: map[string]*host{}, asking: map[string]bool{}, told: map[string]string{},
	}
	if c.ACME != nil {
		if err := c.ACME.Check(); err != nil {
			return nil, err
		}
	}
	for _, pair := range c.Own {
		o := &own{Pair: pair}
		if o.load(); o.err != nil {
			return nil, o.err
		}
		m.own = append(m.own, o)
	}
	m.publish()
	return m, nil
}

// Wake makes Run look at the hosts now. It never waits.
func (m *Manager) Wake() {
	select {
	case m.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Settle waits until what is kept of the hosts' certificates is served, or ctx
// ends: before that a handshake for a known host could be refused.
func (m *Manager) Settle(ctx context.Context) error {
	if m.config.ACME == nil {
		return nil
	}
	done := make(chan struct{})
	select {
	case m.settle <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps the certificates until ctx ends. Attempts that are under way then
// are broken off; it returns when they have ended. It may be called once.
func (m *Manager) Run(ctx context.Context) error {
	if m.config.ACME == nil && len(m.own) == 0 {
		<-ctx.Done()
		return nil
	}
	var desk *authority
	if m.config.ACME != nil {
		var err error
		if desk, err = m.openAuthority(); err != nil {
			return err
		}
		defer desk.close()
	}
	ctx, stop := context.WithCancel(ctx)
	var attempts sync.WaitGroup
	defer attempts.Wait()
	defer stop()
	begin := func(name string, failures int) {
		attempts.Go(func() { m.ended <- desk.attempt(ctx, name, failures) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var settled chan struct{}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-m.wake:
		case settled = <-m.settle:
		case a := <-m.ended:
			m.note(a, time.Now())
		}
		timer.Reset(m.round(desk, begin))
		if settled != nil {
			close(settled)
		}
	}
}

// round does what is due, and gives the time until something is due again.
func (m *Manager) round(desk *authority, begin func(name string, failures int)) time.Duration {
	now := time.Now()
	m.mu.Lock()
	m.reload()
	m.follow(desk, now)
	wait := m.start(now, begin)
	m.publish()
	m.mu.Unlock()
	m.watch(now)
	return min(wait, look)
}

// reload takes own certificates that have changed.
func (m *Manager) reload() {
	for _, o := range m.own {
		before := o.err
		if o.load() {
			m.log.Info("own certificate taken", "file", o.Cert, "names", names(o.cert), "until", o.cert.Leaf.NotAfter)
		}
		if o.err != nil && (before == nil || before.Error() != o.err.Error()) {
			m.log.Error("own certificate can't be read again; the one that was is served", "error", o.err)
		}
	}
}

// follow makes hosts those of the routing table.
func (m *Manager) follow(desk *authority, now time.Time) {
	wanted := m.config.Hosts()
	for name := range m.hosts {
		if _, still := wanted[name]; !still {
			delete(m.hosts, name)
			delete(m.told, name)
		}
	}
	for name, app := range wanted {
		if h := m.hosts[name]; h != nil {
			h.app = app
			continue
		}
		h := &host{name: name, app: app, next: now}
		if desk != nil {
			h.load(desk, now)
		}
		m.hosts[name] = h
	}
}

// start begins the attempts that are due and for which there is room, in the
// order of rank. It gives the time until the next one is due.
func (m *Manager) start(now time.Time, begin func(string, int)) (wait time.Duration) {
	wait = look
	if m.config.ACME == nil {
		return wait
	}
	var due []*host
	for _, h := range m.hosts {
		switch {
		case m.asking[h.name] || !m.asks(h):
		case h.next.After(now):
			wait = min(wait, h.next.Sub(now))
		default:
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *host) int {
		return cmp.Or(cmp.Compare(a.rank(now), b.rank(now)), a.expiry().Compare(b.expiry()), strings.Compare(a.name, b.name))
	})
	for _, h := range due[:min(atOnce-len(m.asking), len(due))] {
		m.asking[h.name] = true
		begin(h.name, h.failures)
	}
	return wait // the others have their turn when an attempt has ended
}

// asks tells whether the authority is asked for the host: it can name it, and
// no own certificate does.
func (m *Manager) asks(h *host) bool {
	return m.config.ACME.canName(h.name) && m.ownFor(h.name) == nil
}

func (m *Manager) ownFor(name string) *own {
	for _, o := range m.own {
		for _, n := range names(o.cert) {
			if covers(strings.ToLower(n), name) {
				return o
			}
		}
	}
	return nil
}

// covers tells whether a certificate for pattern is one for the host, which
// may be a wildcard itself.
func covers(pattern, host string) bool {
	if pattern == host {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	label, rest, _ := strings.Cut(host, ".")
	return wild && label != "" && label != "*" && suffix == "."+rest
}

// publish makes the set that handshakes choose from anew: own certificates,
// then those of the authority for hosts that no own one covers.
func (m *Manager) publish() {
	next := newServed()
	for _, o := range m.own {
		if next.fallback == nil {
			next.fallback = o.cert
		}
		for _, name := range names(o.cert) {
			next.add(strings.ToLower(name), o.cert)
		}
	}
	for _, h := range m.hosts {
		if h.cert != nil && len(next.find(h.name)) == 0 {
			next.add(h.name, h.cert)
		}
	}
	m.now.Store(next)
}

// note takes the outcome of an attempt.
func (m *Manager) note(a attempt, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.asking, a.name)
	h := m.hosts[a.name]
	if h == nil {
		return // it left the table meanwhile
	}
	before := h.cert
	h.settle(a, now, m.config.Retry)
	log := m.log.With("host", h.name, "app", h.app)
	switch {
	case a.err != nil:
		log.Warn("certificate not obtained", "error", h.err, "next", h.next, "served", h.cert != nil)
	case !same(before, h.cert):
		log.Info("certificate obtained", "until", h.cert.Leaf.NotAfter)
	}
}

func same(a, b *tls.Certificate) bool {
	return a != nil && b != nil && a.Leaf.Equal(b.Leaf)
}
