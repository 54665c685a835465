package main

import (
	"crypto/subtle"
	"net/http"
)

// previewGate lets in who has the preview's password: what is not promoted yet
// is not for everybody. The password is made once, kept in the data directory,
// and stands in the preview links that Teal shows to logged-in people.
type previewGate struct{ password string }

const previewUser = "preview"

func newPreviewGate(dir string) (previewGate, error) {
	password, err := keptSecret(dir, "preview.password", "the preview's password")
	return previewGate{password}, err
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
