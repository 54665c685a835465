package certs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// Notice is something about a certificate that a person should know.
type Notice struct {
	deploy.Certificate
	// Episode is the same for as long as it is the same thing, over restarts too.
	Episode string
	// Kind is what it is about.
	Kind Kind
	At   time.Time
}

// Kind is what a Notice is about.
type Kind string

// The kinds, from bad to worse.
const (
	Missing  Kind = "missing"  // for an hour none could be had
	Expiring Kind = "expiring" // it ends soon, and is not renewed
	Expired  Kind = "expired"  // it has ended
)

// tellAfter is how long a host may be without a certificate before people are
// told: names are often added before their DNS is.
const tellAfter = time.Hour

// watch tells what is to be told, once.
func (m *Manager) watch(now time.Time) {
	for _, n := range m.worries(now) {
		m.log.Warn("certificate: "+n.Text(now), "host", n.Host, "app", n.App)
		if m.config.Told != nil {
			m.config.Told(n)
		}
	}
}

// worries are the notices that were not told yet.
func (m *Manager) worries(now time.Time) (out []Notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.subjects() {
		kind := worry(c, now)
		n := Notice{Certificate: c, Kind: kind, At: now}
		switch kind {
		case "":
			delete(m.told, c.Host)
			continue
		case Missing:
			year, week := now.UTC().ISOWeek() // a reminder a week
			n.Episode = fmt.Sprintf("certificate %s missing %d-%d", c.Host, year, week)
		default:
			n.Episode = fmt.Sprintf("certificate %s %s %d", c.Host, kind, c.NotAfter.Unix())
		}
		if m.told[c.Host] != n.Episode {
			m.told[c.Host] = n.Episode
			out = append(out, n)
		}
	}
	return out
}

func worry(c deploy.Certificate, now time.Time) Kind {
	switch {
	case c.Has() && !now.Before(c.NotAfter):
		return Expired
	case c.Scarce(now):
		return Expiring
	case !c.Has() && !c.Since.IsZero() && now.Sub(c.Since) >= tellAfter:
		return Missing
	}
	return ""
}

// subjects are the certificates to be watched: each own one, and each host's
// that the authority is asked for, by name.
func (m *Manager) subjects() (out []deploy.Certificate) {
	for _, o := range m.own {
		c := deploy.Certificate{Own: true, Host: strings.Join(names(o.cert), ", "), App: m.onlyApp(o)}
		out = append(out, describe(c, o.cert, o.err))
	}
	if m.config.ACME == nil {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(m.hosts)) {
		if h := m.hosts[name]; m.asks(h) {
			out = append(out, m.status(h))
		}
	}
	return out
}

// onlyApp is the app that an own certificate is for, "" if it is for several
// or none: then it is the server's.
func (m *Manager) onlyApp(o *own) (app deploy.AppName) {
	for _, h := range m.hosts {
		if m.ownFor(h.name) != o {
			continue
		}
		if app != "" && app != h.app {
			return ""
		}
		app = h.app
	}
	return app
}
