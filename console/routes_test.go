package console

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

// public are the only routes that anybody may use.
var public = []string{"GET /healthz", "GET /static/{name}", "GET /login", "POST /login"}

// fillIn makes a request of a pattern.
func fillIn(pattern, app, id string) (method, path string) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, pattern
	}
	return method, strings.NewReplacer("{app}", app, "{id}", id, "{$}", "", "{name}", "none").Replace(path)
}

func TestNoRouteIsOpenByMistake(t *testing.T) {
	for _, rt := range newConsole(newFake()).routes {
		switch rt.entry {
		case open:
			if !slices.Contains(public, rt.pattern) {
				t.Errorf("%s is open to anybody and not in the list of public routes", rt.pattern)
			}
		case signedIn:
			if strings.Contains(rt.pattern, "{") && !strings.Contains(rt.pattern, "{$}") {
				t.Errorf("%s names something and is not checked for it", rt.pattern)
			}
		case onApp:
			if rt.verb == "" || !strings.Contains(rt.pattern, "{app}") {
				t.Errorf("%s has no verb or no app to check", rt.pattern)
			}
			if strings.HasPrefix(rt.pattern, "POST") && rt.verb == deploy.VerbView {
				t.Errorf("%s changes something with the right to look", rt.pattern)
			}
		default:
			t.Errorf("%s has no check", rt.pattern)
		}
	}
}

func TestEveryRouteButThePublicOnesAsksForASession(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	for _, rt := range newConsole(f).routes {
		if slices.Contains(public, rt.pattern) {
			continue
		}
		method, path := fillIn(rt.pattern, "shop", "42")
		for _, c := range []*client{as(t, f, s, ""), {t: t, base: s.URL, header: http.Header{}, cookie: &http.Cookie{Name: "teal", Value: "made-up"}}} {
			a := c.send(method, path, strings.NewReader(""))
			a.is(t, http.StatusUnauthorized, "ssh -p 2222 teal.example.com login")
			a.lacks(t, "shop", "9a8b7c6")
		}
	}
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
}

func TestEveryRouteOfAnAppIsRefusedToAStranger(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	for _, rt := range newConsole(f).routes {
		if rt.entry != onApp {
			continue
		}
		method, path := fillIn(rt.pattern, "shop", "42")
		as(t, f, s, "olaf").send(method, path, strings.NewReader("release=13&live=14&staged=0&deployment=42")).is(t, http.StatusNotFound, "Not here")
		// Anna may deploy shop: its rights must not open a deployment of another app.
		method, path = fillIn(rt.pattern, "shop", "39")
		if strings.Contains(rt.pattern, "{id}") {
			a := as(t, f, s, "anna").send(method, path, nil)
			a.is(t, http.StatusNotFound)
			a.lacks(t, "blog", "Secret")
		}
	}
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
}

func TestAViewerMayLookAndNotTouch(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	vera := as(t, f, s, "vera")
	for _, rt := range newConsole(f).routes {
		if rt.verb != deploy.VerbDeploy {
			continue
		}
		method, path := fillIn(rt.pattern, "shop", "42")
		vera.send(method, path, strings.NewReader("release=13&live=14&staged=0&deployment=42")).is(t, http.StatusForbidden, "Nothing was done")
	}
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("the engine was asked %q", asked)
	}
	a := vera.get("/apps/shop")
	a.is(t, http.StatusOK, "v14", "You may look at this app")
	a.lacks(t, "/apps/shop/restart", "/apps/shop/redeploy", "very-secret")
	if !slices.Contains(f.audit, "vera deploy shop false") {
		t.Errorf("the refusal was not written down: %q", f.audit)
	}
}

func TestPagesOfManyAppsShowOnlyOnesOwn(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	for _, path := range []string{"/", "/events", "/alerts"} {
		as(t, f, s, "anna").get(path).lacks(t, "blog", "secret", "Secret")
		as(t, f, s, "olaf").get(path).lacks(t, "blog", "shop\"", "secret", "Secret")
		as(t, f, s, "root").get(path).is(t, http.StatusOK, "blog", "shop")
	}
}

func TestARouteWithoutACheckLetsNobodyIn(t *testing.T) {
	f := newFake()
	c := newConsole(f)
	c.routes = append(c.routes, route{pattern: "GET /forgotten", handle: c.healthz})
	s := serve(t, f, func(into *Console) { into.routes = c.routes })
	as(t, f, s, "root").get("/forgotten").is(t, http.StatusForbidden)
}

func TestARemovedUserIsOutAtOnce(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	anna.get("/").is(t, http.StatusOK)
	f.mu.Lock()
	delete(f.users, "anna")
	f.mu.Unlock()
	anna.get("/").is(t, http.StatusUnauthorized)
}

func TestHealthzNeedsNothing(t *testing.T) {
	f := newFake()
	a := as(t, f, serve(t, f), "").get("/healthz")
	if a.status != http.StatusOK || a.body != "ok\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
}
