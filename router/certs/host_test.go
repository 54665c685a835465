package certs

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"teal/deploy"
)

func TestACertificateThatEndsSoonIsRenewedBeforeNewHostsHaveTheirTurn(t *testing.T) {
	now := time.Now()
	ends := func(left time.Duration) *tls.Certificate {
		end := now.Add(left)
		return &tls.Certificate{Leaf: &x509.Certificate{NotBefore: end.Add(-90 * 24 * time.Hour), NotAfter: end}}
	}
	m, err := New(Config{Dir: t.TempDir(), ACME: &ACME{Email: "ada@example.com", Directory: "https://127.0.0.1:1/dir"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]*tls.Certificate{
		"a.example.com": nil, "b.example.com": nil, "c.example.com": nil, "d.example.com": nil, "e.example.com": nil,
		"later.example.com": ends(29 * 24 * time.Hour), "soon.example.com": ends(5 * 24 * time.Hour),
	} {
		m.hosts[name] = &host{name: name, app: deploy.AppName("shop"), cert: cert}
	}
	var asked []string
	m.start(now, func(name string, _ int) { asked = append(asked, name) })
	if len(asked) != atOnce || asked[0] != "soon.example.com" || asked[1] != "a.example.com" {
		t.Errorf("asked for %v", asked)
	}
}
