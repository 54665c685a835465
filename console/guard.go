package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"teal/deploy"
)

// maxBody bounds what a form may send; ours are some hundred bytes.
const maxBody = 16 << 10

// Bounds of waiting for the store.
const (
	requestTime = time.Minute     // a page, a form, a log as a file
	againTime   = 5 * time.Second // the repeated check of a stream
)

var errNoSession = errors.New("not logged in")

// guard is the one way to a handler: it limits the body, checks who comes,
// and turns the handler's error into a page.
func (c *Console) guard(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if !rt.endless {
			ctx, cancel := context.WithTimeout(r.Context(), requestTime)
			defer cancel()
			r = r.WithContext(ctx)
		}
		v, err := c.admit(r.Context(), r, rt)
		if err == nil {
			err = rt.handle(w, r, v)
		}
		if err != nil {
			c.fail(w, r, v, err)
		}
	})
}

// admit says who the visitor is and whether he may use the route.
func (c *Console) admit(ctx context.Context, r *http.Request, rt route) (visit, error) {
	if rt.entry == open {
		return visit{}, nil
	}
	v := visit{again: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, againTime)
		defer cancel()
		_, err := c.admit(ctx, r, rt)
		return err
	}}
	var err error
	if v.user, err = c.sessionUser(ctx, r); err != nil {
		return visit{}, err
	}
	switch rt.entry {
	case signedIn:
		return v, nil
	case onApp:
		app, err := deploy.ParseAppName(r.PathValue("app"))
		if err != nil {
			return v, fmt.Errorf("app: %w", deploy.ErrNotFound)
		}
		v.app = app
		return v, c.Authorize(ctx, v.user.Name, rt.verb, app)
	}
	return v, fmt.Errorf("%w: the route has no check", deploy.ErrDenied)
}

// sessionUser gives the user of the request's cookie; errNoSession when there is
// none, or when the user was removed since.
func (c *Console) sessionUser(ctx context.Context, r *http.Request) (deploy.User, error) {
	cookie, err := r.Cookie(c.cookieName())
	if err != nil || cookie.Value == "" {
		return deploy.User{}, errNoSession
	}
	name, err := c.Store.Session(ctx, cookie.Value)
	if err == nil {
		var user deploy.User
		if user, err = c.Store.User(ctx, name); err == nil {
			return user, nil
		}
	}
	if errors.Is(err, deploy.ErrNotFound) {
		return deploy.User{}, errNoSession
	}
	return deploy.User{}, fmt.Errorf("cannot read the session: %w", err)
}

// policy lets a page load what it needs from its own origin, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (c *Console) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if c.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// recovered keeps a panic to its request: the visitor gets a page with a
// number, the log the same number with the stack.
func (c *Console) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &seenWriter{ResponseWriter: w}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it the same way
				panic(cause)
			}
			id := rand.Text()[:8]
			c.Log.Error("console panicked", "id", id, "method", r.Method, "path", r.URL.Path, "error", deploy.PanicText(cause), "stack", string(debug.Stack()))
			if seen.wrote {
				// The answer has begun: all that is left is to break it off.
				panic(http.ErrAbortHandler)
			}
			c.broken(seen, r, id)
		}()
		next.ServeHTTP(seen, r)
	})
}

// seenWriter remembers whether the answer has begun.
type seenWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *seenWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
