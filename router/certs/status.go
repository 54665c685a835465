package certs

import (
	"crypto/tls"
	"maps"
	"slices"

	"teal/deploy"
)

// Status gives what is known of the certificate for the host; the zero
// Certificate when TLS is not served for it and nobody is asked.
func (m *Manager) Status(name string) deploy.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[name]
	if h == nil {
		h = &host{name: name} // no app has it, but an own certificate may
	}
	return m.status(h)
}

// OfApp gives what is known of the certificates for an app's hosts, by host;
// hosts that TLS is not served for are left out.
func (m *Manager) OfApp(app deploy.AppName) (out []deploy.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.hosts)) {
		if h := m.hosts[name]; h.app == app {
			if c := m.status(h); c != (deploy.Certificate{}) {
				out = append(out, c)
			}
		}
	}
	return out
}

func (m *Manager) status(h *host) deploy.Certificate {
	c := deploy.Certificate{Host: h.name, App: h.app}
	if o := m.ownFor(h.name); o != nil {
		c.Own = true
		return describe(c, o.cert, o.err)
	}
	if m.config.ACME == nil || !m.config.ACME.canName(h.name) || m.hosts[h.name] == nil {
		return deploy.Certificate{}
	}
	c.Error, c.Since, c.Asking = h.err, h.since, m.asking[h.name]
	if h.err != "" {
		c.Next = h.next
	}
	return describe(c, h.cert, nil)
}

func describe(c deploy.Certificate, cert *tls.Certificate, err error) deploy.Certificate {
	if err != nil {
		c.Error = deploy.Clean(err.Error(), 400)
	}
	if cert != nil {
		c.NotBefore, c.NotAfter = cert.Leaf.NotBefore, cert.Leaf.NotAfter
		c.Issuer = cert.Leaf.Issuer.CommonName
		if len(cert.Leaf.Issuer.Organization) > 0 {
			c.Issuer = cert.Leaf.Issuer.Organization[0]
		}
	}
	return c
}
