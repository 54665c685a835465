package router

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"teal/deploy"
)

// named is an app that answers with a name.
func named(t testing.TB, release int, name string) deploy.Instance {
	return startApp(t, release, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
}

func (r *testRouter) stickTo(in ...deploy.Instance) {
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(in...), Sticky: true})
}

func TestStickyClientStaysOnItsInstance(t *testing.T) {
	r := startRouter(t, Config{})
	a, b, c := named(t, 1, "a"), named(t, 1, "b"), named(t, 1, "c")
	r.stickTo(a, b, c)
	answers := map[string]int{}
	for range 30 {
		client := r.browser()
		_, first := get(t, client, "http://shop.test/")
		for range 5 {
			if _, body := get(t, client, "http://shop.test/"); body != first {
				t.Fatalf("went from %s to %s", first, body)
			}
		}
		answers[first]++
	}
	if len(answers) != 3 {
		t.Errorf("30 clients are on %v", answers)
	}
}

func TestStickyClientMovesWhenItsInstanceIsDownAndStaysThere(t *testing.T) {
	r := startRouter(t, Config{})
	alive := named(t, 1, "alive")
	dead := deadInstance(t, 1)
	r.stickTo(alive, dead)
	client := r.browser()
	req, _ := http.NewRequest("GET", "http://shop.test/", nil)
	token := r.tokenOf(dead.ID)
	req.Header.Set("Cookie", "theme=dark; "+stickyCookie+"="+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != 200 || len(cookies) != 1 || cookies[0].Value != r.tokenOf(alive.ID) {
		t.Fatalf("status %d, cookies %v", resp.StatusCode, cookies)
	}
	if again, err := client.Get("http://shop.test/"); err != nil || len(again.Cookies()) != 0 {
		t.Errorf("told again: %v %v", again.Cookies(), err)
	} else {
		again.Body.Close()
	}
}

func TestStickyClientGoesToTheNewColorAtAPromotion(t *testing.T) {
	r := startRouter(t, Config{})
	r.stickTo(named(t, 1, "blue a"), named(t, 1, "blue b"))
	client := r.browser()
	get(t, client, "http://shop.test/")
	r.stickTo(named(t, 2, "green a"), named(t, 2, "green b"))
	_, first := get(t, client, "http://shop.test/")
	for range 10 {
		if _, body := get(t, client, "http://shop.test/"); body != first || !strings.HasPrefix(body, "green") {
			t.Fatalf("was answered by %q, then by %q", first, body)
		}
	}
}

func TestStickyCookieTellsNothing(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	r := startRouter(t, Config{CookieKey: key, TLS: ownTLS(t)})
	in := named(t, 1, "a")
	r.stickTo(in)
	for _, c := range []struct {
		client *http.Client
		url    string
		secure bool
	}{{r.client(), "http://shop.test/", false}, {clientHTTP2(t, r.secure, true), "https://shop.test/", true}} {
		resp, err := c.client.Get(c.url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		line := resp.Header.Get("Set-Cookie")
		want := fmt.Sprintf("teal_instance=%s; Path=/; HttpOnly; SameSite=Lax", r.tokenOf(in.ID))
		if c.secure {
			want += "; Secure"
		}
		if line != want || strings.Contains(line, in.ID) || strings.Contains(line, "127") {
			t.Errorf("%s: %q, want %q", c.url, line, want)
		}
	}
	if other := New(Config{CookieKey: key}); other.tokenOf(in.ID) != r.tokenOf(in.ID) {
		t.Error("another router with the same key makes another token")
	}
	if other := New(Config{}); other.tokenOf(in.ID) == r.tokenOf(in.ID) {
		t.Error("the token does not depend on the key")
	}
}

func TestCookieIsFoundAmongOthers(t *testing.T) {
	for line, want := range map[string]string{
		"teal_ticket=1f":                     "1f",
		"a=b; teal_ticket=1f; c=d":           "1f",
		"a=b;teal_ticket=1f":                 "1f",
		`teal_ticket="1f"`:                   "1f",
		"xteal_ticket=1f":                    "",
		"teal_ticket2=1f; a=teal_ticket=3":   "",
		"teal_ticket=1f; teal_ticket=2f":     "1f",
		"teal_ticket":                        "",
		"":                                   "",
		";;; =; teal_ticket=a;":              "a",
		strings.Repeat("x=y; ", 500) + "z=1": "",
	} {
		if got := cookie([]string{line}, ticketCookie); got != want {
			t.Errorf("%.40q: %q, want %q", line, got, want)
		}
	}
}

func TestStickyAndSharedClientStaysOnSideAndInstance(t *testing.T) {
	r := startRouter(t, Config{})
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"}, Sticky: true, Share: 50,
		Live:    backendOf(named(t, 1, "1a"), named(t, 1, "1b")),
		Preview: backendOf(named(t, 2, "2a"), named(t, 2, "2b")),
	})
	answers := map[string]bool{}
	for range 40 {
		client := r.client()
		client.Jar, _ = cookiejar.New(nil)
		_, first := get(t, client, "http://shop.test/")
		for range 3 {
			if _, body := get(t, client, "http://shop.test/"); body != first {
				t.Fatalf("went from %s to %s", first, body)
			}
		}
		answers[first] = true
	}
	if len(answers) != 4 {
		t.Errorf("40 clients were answered by %v", answers)
	}
}
