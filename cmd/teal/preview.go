package main

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// previewGate lets in who has the preview's password: what is not promoted yet
// is not for everybody. The password is made once, kept in the data directory,
// and stands in the preview links that Teal shows to logged-in people.
type previewGate struct{ password string }

const previewUser = "preview"

func newPreviewGate(dir string) (previewGate, error) {
	path := filepath.Join(dir, "preview.password")
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) >= 16 {
		return previewGate{strings.TrimSpace(string(b))}, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return previewGate{}, fmt.Errorf("cannot read the preview's password: %w", err)
	}
	g := previewGate{rand.Text()}
	if err := os.WriteFile(path, []byte(g.password+"\n"), 0o600); err != nil {
		return previewGate{}, fmt.Errorf("cannot keep the preview's password: %w", err)
	}
	return g, nil
}

// allowed checks the credential and takes it out of the request: it is not the app's.
func (g previewGate) allowed(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok || user != previewUser || subtle.ConstantTimeCompare([]byte(password), []byte(g.password)) != 1 {
		return false
	}
	r.Header.Del("Authorization")
	return true
}
