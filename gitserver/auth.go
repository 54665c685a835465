package gitserver

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"teal/deploy"
)

// Keys is what the server asks of the store about keys.
type Keys interface {
	// KeyOwner gives the key with that fingerprint ("SHA256:…") and its user; ErrNotFound.
	KeyOwner(ctx context.Context, fingerprint string) (deploy.Key, error)
	// TouchKey records that the key was used.
	TouchKey(ctx context.Context, fingerprint string, at time.Time) error
}

// Names of what a verified key leaves in the connection's permissions.
const (
	grantUser = "teal-user"
	grantKey  = "teal-key"
)

var errKey = errors.New("this key belongs to no user")

// offered is asked about a key that a client only names. Its answer grants
// nothing: what the client may be is decided in verified.
func (s *Server) offered(ctx context.Context, key gossh.PublicKey) error {
	_, err := s.owner(ctx, key)
	return err
}

// verified is called with the key whose signature was checked. Here, and only
// here, a connection gets its identity (CVE-2024-45337 is the story of servers
// that took it from the key that was offered).
func (s *Server) verified(ctx context.Context, key gossh.PublicKey) (*gossh.Permissions, error) {
	owner, err := s.owner(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := s.keys.TouchKey(ctx, owner.Fingerprint, s.now()); err != nil {
		s.log.Warn("cannot record the use of a key", "user", owner.User, "error", err)
	}
	return &gossh.Permissions{Extensions: map[string]string{grantUser: owner.User, grantKey: owner.Fingerprint}}, nil
}

// owner looks a key up.
func (s *Server) owner(ctx context.Context, key gossh.PublicKey) (deploy.Key, error) {
	if _, ok := key.(*gossh.Certificate); ok {
		return deploy.Key{}, fmt.Errorf("%w: certificates are not taken", errKey)
	}
	if ck, ok := key.(gossh.CryptoPublicKey); ok {
		if r, ok := ck.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < 2048 {
			return deploy.Key{}, fmt.Errorf("%w: an RSA key of %d bits is too short", errKey, r.N.BitLen())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	owner, err := s.keys.KeyOwner(ctx, gossh.FingerprintSHA256(key))
	if errors.Is(err, deploy.ErrNotFound) {
		return owner, errKey
	}
	if err != nil {
		s.log.Error("cannot look up a key", "error", err)
		return owner, fmt.Errorf("cannot look up the key: %w", err)
	}
	return owner, nil
}
