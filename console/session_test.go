package console

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestALinkLogsInOnceAndOnlyByItsButton(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	f.tokens["secret"] = "anna"
	c := as(t, f, s, "")
	for range 3 { // previews of the link
		c.get("/login?token=secret").is(t, http.StatusOK, `value="secret"`, "Log in")
	}
	a := c.post("/login", "token", "secret")
	a.is(t, http.StatusSeeOther)
	if where := a.header.Get("Location"); where != "/" {
		t.Errorf("led to %q", where)
	}
	if left := time.Until(f.expires); left < 29*24*time.Hour || left > 31*24*time.Hour {
		t.Errorf("the session lasts %s, want 30 days", left)
	}
	again := c.post("/login", "token", "secret")
	again.is(t, http.StatusForbidden, "was used already")
	if again.header.Get("Set-Cookie") != "" {
		t.Error("a used link set a cookie")
	}
}

func TestTheCookieIsOutOfReach(t *testing.T) {
	for _, secure := range []bool{false, true} {
		f := newFake()
		s := serve(t, f, func(c *Console) { c.Secure = secure })
		f.tokens["secret"] = "anna"
		a := as(t, f, s, "").post("/login", "token", "secret")
		set, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
		if err != nil {
			t.Fatal(err)
		}
		if !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.Domain != "" || set.Secure != secure {
			t.Errorf("secure %v: cookie %s", secure, set.Raw)
		}
		if strings.HasPrefix(set.Name, "__Host-") != secure {
			t.Errorf("secure %v: cookie name %q", secure, set.Name)
		}
		if hsts := a.header.Get("Strict-Transport-Security"); (hsts != "") != secure {
			t.Errorf("secure %v: Strict-Transport-Security %q", secure, hsts)
		}
	}
}

func TestLogInEndsTheSessionThatTheBrowserHad(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	f.tokens["secret"] = "vera"
	anna := as(t, f, s, "anna")
	anna.post("/login", "token", "secret").is(t, http.StatusSeeOther)
	anna.get("/").is(t, http.StatusUnauthorized)
}

func TestLogOutEndsTheSessionOnTheServer(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	a := anna.post("/logout")
	a.is(t, http.StatusSeeOther)
	if set, err := http.ParseSetCookie(a.header.Get("Set-Cookie")); err != nil || set.MaxAge >= 0 {
		t.Errorf("the cookie was not removed: %v, %v", set, err)
	}
	anna.get("/").is(t, http.StatusUnauthorized) // the old cookie is worth nothing
}

func TestFailedLogInsAreLimitedAndGoodOnesAreNot(t *testing.T) {
	f := newFake()
	clock := now()
	s := serve(t, f, func(c *Console) { c.attempts.now = func() time.Time { return clock } })
	c := as(t, f, s, "")
	for range 3 * attemptsEach {
		f.tokens["good"] = "anna"
		c.post("/login", "token", "good").is(t, http.StatusSeeOther)
	}
	for range attemptsEach {
		c.post("/login", "token", "bad").is(t, http.StatusForbidden)
	}
	f.tokens["good"] = "anna"
	a := c.post("/login", "token", "good")
	a.is(t, http.StatusTooManyRequests, "Wait a minute")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if _, there := f.tokens["good"]; !there {
		t.Error("a refused try burned the link")
	}
	clock = clock.Add(attemptsWindow)
	c.post("/login", "token", "good").is(t, http.StatusSeeOther)
}

func TestTheTableOfAttemptsIsBounded(t *testing.T) {
	a := newAttempts(now)
	for i := range 3 * attemptsKept {
		r := &http.Request{RemoteAddr: "10." + itoa(i>>16) + "." + itoa(i>>8&255) + "." + itoa(i&255) + ":1"}
		a.take(network(r))
		if len(a.by) > attemptsKept {
			t.Fatalf("%d addresses are remembered", len(a.by))
		}
	}
}

func TestOneIPv6HostIsOneAddress(t *testing.T) {
	one, two := &http.Request{RemoteAddr: "[2001:db8::1]:1"}, &http.Request{RemoteAddr: "[2001:db8::ffff:2]:9"}
	if network(one) != network(two) {
		t.Errorf("%s and %s are counted apart", network(one), network(two))
	}
	mapped, plain := &http.Request{RemoteAddr: "[::ffff:10.0.0.1]:1"}, &http.Request{RemoteAddr: "10.0.0.1:1"}
	if network(mapped) != network(plain) {
		t.Errorf("%s and %s are counted apart", network(mapped), network(plain))
	}
}
