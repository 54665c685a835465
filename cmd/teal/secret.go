package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keptSecret reads a secret that was made once and is kept in a file of the
// data directory; it makes it at first. what names it in errors.
func keptSecret(dir, file, what string) (string, error) {
	path := filepath.Join(dir, file)
	b, err := os.ReadFile(path)
	if secret := strings.TrimSpace(string(b)); err == nil && len(secret) >= 16 {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read %s: %w", what, err)
	}
	secret := rand.Text()
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("cannot keep %s: %w", what, err)
	}
	return secret, nil
}

// cookieKey makes the cookies of sticky clients, which are to hold over a restart.
func cookieKey(dir string) ([]byte, error) {
	secret, err := keptSecret(dir, "cookie.key", "the key of the router's cookies")
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256([]byte(secret))
	return key[:], nil
}
