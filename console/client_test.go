package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client is a browser without a screen: one cookie, no redirects.
type client struct {
	t      *testing.T
	base   string
	cookie *http.Cookie
	header http.Header // sent with every request
}

// as gives a client with a session of the user; "" is a client without one.
func as(t *testing.T, f *fake, s *httptest.Server, user string) *client {
	t.Helper()
	c := &client{t: t, base: s.URL, header: http.Header{}}
	if user != "" {
		token, err := f.CreateSession(t.Context(), user, now())
		if err != nil {
			t.Fatal(err)
		}
		c.cookie = &http.Cookie{Name: "teal", Value: token}
	}
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *client) get(path string) answer { return c.send(http.MethodGet, path, nil) }

func (c *client) post(path string, form ...string) answer {
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return c.send(http.MethodPost, path, strings.NewReader(values.Encode()))
}

func (c *client) open(method, path string, body io.Reader) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

func (c *client) send(method, path string, body io.Reader) answer {
	c.t.Helper()
	res := c.open(method, path, body)
	defer res.Body.Close()
	late := time.AfterFunc(10*time.Second, func() { res.Body.Close() }) // a stream where a page was expected
	defer late.Stop()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// is checks the status and that the body has the words.
func (a answer) is(t *testing.T, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d", a.status, status)
	}
	contains(t, a.body, words...)
}

func (a answer) lacks(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			t.Errorf("%q is in:\n%s", w, a.body)
		}
	}
}
