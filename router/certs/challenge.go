package certs

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

const (
	challengePrefix   = "/.well-known/acme-challenge/"
	challengeProtocol = acmez.ACMETLS1Protocol
)

// Answer gives what a GET of the path on the host is answered with when it is
// the authority's question (HTTP-01, RFC 8555 §8.3) and one is open for that
// host; ok is false else. path has no query.
func (m *Manager) Answer(host, path string) (body string, ok bool) {
	if m.config.ACME == nil || !strings.HasPrefix(path, challengePrefix) {
		return "", false
	}
	open, ok := certmagic.GetACMEChallenge(host)
	if !ok || open.Type != acme.ChallengeTypeHTTP01 || path != open.HTTP01ResourcePath() {
		return "", false
	}
	return open.KeyAuthorization, true
}

// challengeCert answers the authority's question in the handshake (TLS-ALPN-01, RFC 8737).
func (m *Manager) challengeCert(name string) (*tls.Certificate, error) {
	open, ok := certmagic.GetACMEChallenge(name)
	if m.config.ACME == nil || !ok || open.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, errors.New("no challenge is open for this name")
	}
	return acmez.TLSALPN01ChallengeCert(open.Challenge)
}
