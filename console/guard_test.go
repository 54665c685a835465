package console

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"teal/deploy"
)

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	f.tokens["secret"] = "anna"
	for name, header := range map[string][2]string{
		"cross-site":   {"Sec-Fetch-Site", "cross-site"},
		"same-site":    {"Sec-Fetch-Site", "same-site"}, // an app beside the console
		"other origin": {"Origin", "http://evil.example.com"},
		"null origin":  {"Origin", "null"},
	} {
		for _, rt := range newConsole(f).routes {
			if !strings.HasPrefix(rt.pattern, "POST") {
				continue
			}
			c := as(t, f, s, "anna")
			c.header.Set(header[0], header[1])
			_, path := fillIn(rt.pattern, "shop", "42")
			a := c.post(path, "release", "13", "live", "14", "token", "secret")
			if a.status != http.StatusForbidden || !strings.Contains(a.body, "another web site") {
				t.Errorf("%s: POST %s gave %d", name, path, a.status)
			}
		}
	}
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
	if len(f.tokens) != 1 {
		t.Error("a form of another site burned a login link")
	}
}

func TestGetChangesNothing(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	for _, path := range []string{"/apps/shop/promote", "/apps/shop/cancel", "/apps/shop/redeploy", "/apps/shop/patch", "/logout"} {
		anna.get(path).is(t, http.StatusNotFound)
	}
	anna.get("/apps/shop/restart?release=13&live=14").is(t, http.StatusOK)
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
	anna.get("/").is(t, http.StatusOK)
}

func TestPagesAreStrictAndNeverKept(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	for _, path := range []string{"/", "/login", "/apps/shop", "/nope", "/healthz"} {
		h := as(t, f, s, "anna").get(path).header
		for key, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if h.Get(key) != want {
				t.Errorf("%s: %s is %q, want %q", path, key, h.Get(key), want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		contains(t, csp, "default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'")
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}

func TestNoPageHasInlineScriptOrStyle(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	for _, path := range []string{"/", "/login?token=x", "/apps/shop", "/apps/shop/restart", "/apps/shop/deployments/41", "/apps/shop/deployments/42", "/alerts", "/events", "/nope"} {
		if found := inline.FindString(as(t, f, s, "root").get(path).body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
}

func TestAssetsAreNamedByTheirContentAndKept(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	c := as(t, f, s, "")
	page := c.get("/login").body
	urls := regexp.MustCompile(`/static/[a-z]+\.[0-9a-f]{16}\.(css|js|svg)`).FindAllString(page, -1)
	if len(urls) < 3 {
		t.Fatalf("the page refers to %q", urls)
	}
	for _, url := range urls {
		a := c.get(url)
		a.is(t, http.StatusOK)
		if !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.header.Get("ETag") == "" {
			t.Errorf("%s: %v", url, a.header)
		}
		known := as(t, f, s, "")
		known.header.Set("If-None-Match", a.header.Get("ETag"))
		known.get(url).is(t, http.StatusNotModified)
	}
	c.get("/static/console.css").is(t, http.StatusNotFound)
}

func TestALargeFormIsRefused(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	as(t, f, s, "anna").post("/apps/shop/restart", "release", strings.Repeat("1", 2*maxBody)).is(t, http.StatusRequestEntityTooLarge)
}

func TestAPanicIsOnePageWithAnId(t *testing.T) {
	f := newFake()
	var log bytes.Buffer
	s := serve(t, f, func(c *Console) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Config.Figures = func(deploy.AppName, int) deploy.Figures { panic("figures are broken") }
	})
	anna := as(t, f, s, "anna")
	a := anna.get("/apps/shop")
	a.is(t, http.StatusInternalServerError, "Something broke on our side")
	a.lacks(t, "figures are broken")
	id := regexp.MustCompile(`<code>([A-Z2-7]{8})</code>`).FindStringSubmatch(a.body)
	if id == nil {
		t.Fatalf("no id in %s", a.body)
	}
	contains(t, log.String(), id[1], "a panic with a string", "guard_test.go")
	if strings.Contains(log.String(), "figures are broken") {
		t.Error("what the panic says may be a secret, and is in the log")
	}
	anna.get("/healthz").is(t, http.StatusOK)
}

func TestErrorsOfTheStoreStayInside(t *testing.T) {
	a := explain(errors.New("disk I/O error at page 7"))
	if a.Status != http.StatusInternalServerError || strings.Contains(a.Text, "page 7") {
		t.Errorf("%+v", a)
	}
}
