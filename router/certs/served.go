package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// served is the set of certificates that handshakes choose from. It is never
// changed: the Manager makes another one and swaps the pointer.
type served struct {
	exact map[string][]*tls.Certificate
	wild  map[string][]*tls.Certificate // "*.example.com" is kept as ".example.com"
	// fallback is shown for names that no certificate covers; nil: the
	// handshake is refused.
	fallback *tls.Certificate
}

func newServed() *served {
	return &served{exact: map[string][]*tls.Certificate{}, wild: map[string][]*tls.Certificate{}}
}

func (s *served) add(name string, cert *tls.Certificate) {
	m := s.exact
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		m, name = s.wild, suffix
	}
	if !slices.Contains(m[name], cert) {
		m[name] = append(m[name], cert)
	}
}

// find gives the certificates for a name: an exact one before a wildcard,
// which stands for one label (RFC 6125 §6.4.3).
func (s *served) find(name string) []*tls.Certificate {
	if found := s.exact[name]; len(found) > 0 {
		return found
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		return s.wild[name[i:]]
	}
	return nil
}

// TLSConfig is how TLS is spoken: 1.2 and 1.3, forward secrecy and
// authenticated encryption only, HTTP/2 and HTTP/1.1. The keys of session
// tickets are crypto/tls's own, which change every day.
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1", challengeProtocol},
		GetCertificate: m.choose,
	}
}

// choose answers a handshake. Without a certificate for the name it gives
// neither one nor an error, which crypto/tls tells the client as
// unrecognized_name (RFC 6066 §3).
func (m *Manager) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == challengeProtocol {
		return m.challengeCert(name)
	}
	now := m.now.Load()
	found := now.find(name)
	for _, cert := range found {
		if len(found) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return now.fallback, nil
}

// Covers tells whether handshakes for the host are shown a certificate that
// names it. It takes no lock.
func (m *Manager) Covers(host string) bool { return len(m.now.Load().find(host)) > 0 }
