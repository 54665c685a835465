package commands

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"teal/deploy"
)

const (
	maxKeyText = 64 << 10 // of all keys that are added at once
	maxKeyRow  = 20       // keys that are added at once
	minRSA     = 2048
	maxRSA     = 16384 // what OpenSSH accepts; longer ones only cost time
)

// keyTypes are the kinds of key that may log in.
var keyTypes = map[string]bool{
	ssh.KeyAlgoED25519: true, ssh.KeyAlgoSKED25519: true,
	ssh.KeyAlgoECDSA256: true, ssh.KeyAlgoECDSA384: true, ssh.KeyAlgoECDSA521: true, ssh.KeyAlgoSKECDSA256: true,
	ssh.KeyAlgoRSA: true,
}

// parseKeys reads public keys as they stand in .pub and authorized_keys files.
// It gives all of them, or says in one line what is wrong with the first that is not good.
func parseKeys(text string) ([]deploy.Key, error) {
	switch {
	case len(text) > maxKeyText:
		return nil, fmt.Errorf("that is longer than %d KiB: not a public key", maxKeyText>>10)
	case strings.Contains(text, "PRIVATE KEY"):
		return nil, errors.New("that is a private key: it must never leave your machine; send the .pub file beside it")
	}
	var keys []deploy.Key
	for row := range strings.Lines(text) {
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		if len(keys) == maxKeyRow {
			return nil, fmt.Errorf("more than %d keys at once", maxKeyRow)
		}
		k, err := parseKey(row)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in the words or on standard input")
	}
	return keys, nil
}

func parseKey(row string) (deploy.Key, error) {
	pub, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(row))
	if err != nil {
		return deploy.Key{}, fmt.Errorf("%q is not a public SSH key; one begins with ssh-ed25519, ecdsa-sha2-… or ssh-rsa", deploy.Clean(row, 40))
	}
	if len(options) > 0 {
		return deploy.Key{}, errors.New("the key has options before it (such as command=…): Teal takes keys without, and has rights per app instead")
	}
	kind := pub.Type()
	if !keyTypes[kind] {
		return deploy.Key{}, fmt.Errorf("keys of type %s are not accepted: make one with ssh-keygen -t ed25519", deploy.Clean(kind, 60))
	}
	if c, ok := pub.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && (k.N.BitLen() < minRSA || k.N.BitLen() > maxRSA) {
			return deploy.Key{}, fmt.Errorf("an RSA key of %d bits is not accepted: use %d to %d, or ssh-keygen -t ed25519", k.N.BitLen(), minRSA, maxRSA)
		}
	}
	return deploy.Key{
		Fingerprint: ssh.FingerprintSHA256(pub),
		Public:      strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))),
		Comment:     deploy.Clean(comment, 100),
	}, nil
}
