package router

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// pageWorld is a router with an app for every page that there is. It gives the
// address and host that lead to each, by name.
func pageWorld(t *testing.T) (r *testRouter, at map[string][2]string) {
	r = startRouter(t, Config{
		Domain: "teal.test", Limits: Limits{MaxInFlight: 1, MaxWaiting: 1},
		PreviewAllowed: func(req *http.Request) bool { return req.Host != "closed.teal.test" },
	})
	hasty := startRouter(t, Config{Domain: "teal.test", Limits: Limits{AnswerHead: 200 * time.Millisecond}})
	at = map[string][2]string{"no app": {r.plain, "shop.teal.test"}, "preview closed": {r.preview, "closed.teal.test"}}
	point := func(name string, route deploy.Route, prepare func(app string)) {
		app := strings.ReplaceAll(name, " ", "-")
		route.App, route.Hosts = deploy.AppName(app), []string{app + ".teal.test"}
		r.Point(route)
		at[name] = [2]string{r.plain, app + ".teal.test"}
		if prepare != nil {
			prepare(app)
		}
	}
	gone := deadInstance(t, 1)
	long := func(app string) { // ago it was
		e := r.table.Load().app(deploy.AppName(app))
		e.emptySince -= int64(2 * startingFor)
		for _, in := range e.sides[production].instances {
			in.born -= int64(2 * startingFor)
		}
	}
	point("no release", deploy.Route{}, nil)
	point("first release", deploy.Route{Preview: backendOf(gone)}, nil)
	point("starting", deploy.Route{Live: deploy.Backend{Color: deploy.Blue, Release: 1}}, nil)
	point("refusing at first", deploy.Route{Live: backendOf(gone)}, nil)
	point("down", deploy.Route{Live: deploy.Backend{Color: deploy.Blue, Release: 1}}, long)
	point("refusing", deploy.Route{Live: backendOf(gone)}, long)
	point("broken", deploy.Route{Live: backendOf(startApp(t, 1, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))}, nil)
	silent := backendOf(startApp(t, 1, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	hasty.Point(deploy.Route{App: "late", Hosts: []string{"late.teal.test"}, Live: silent})
	at["late"] = [2]string{hasty.plain, "late.teal.test"}
	point("busy", deploy.Route{Live: backendOf(saying(t, 1))}, func(app string) {
		r.pool(deploy.AppName(app), 1).flying[production].Add(5)
	})
	point("held long", deploy.Route{Live: silent, Hold: true, HoldTime: time.Millisecond}, nil)
	point("held by many", deploy.Route{Live: silent, Hold: true}, func(app string) {
		r.table.Load().app(deploy.AppName(app)).gate.waiting.Add(5)
	})
	at["no preview"] = [2]string{r.preview, "no-release.teal.test"}
	return r, at
}

func TestEveryPageSaysWhatIsWrongAsItIsAsked(t *testing.T) {
	r, at := pageWorld(t)
	defer func() { // what pageWorld pretends
		r.pool("busy", 1).flying[production].Add(-5)
	}()
	shots := os.Getenv("ROUTER_PAGES") // a directory to keep them in
	for _, c := range []struct {
		name   string
		status int
		title  string
		text   string
		retry  bool
	}{
		{"no app", 404, "There is no app here", "an app named shop", false},
		{"no release", 503, "Nothing is live yet", "first successful push", true},
		{"first release", 503, "Nothing is live yet", "is being tried", true},
		{"starting", 503, "The app is starting", "being started", true},
		{"refusing at first", 503, "The app is starting", "being started", true},
		{"down", 503, "The app is down", "No instance of down", true},
		{"refusing", 502, "The app is down", "takes no connections", false},
		{"broken", 502, "The app did not answer", "before there was an answer", false},
		{"late", 504, "The app took too long", "did not answer in time", false},
		{"busy", 503, "Too busy", "as many requests", true},
		{"held long", 503, "A new release is starting", "longer than usual", true},
		{"held by many", 503, "A new release is starting", "many are waiting", true},
		{"preview closed", 401, "Previews need a password", "console", false},
		{"no preview", 404, "There is nothing to preview", "-o no-promote", false},
	} {
		for accept, kind := range map[string]string{
			"text/html,application/xhtml+xml,*/*;q=0.8": "text/html; charset=utf-8",
			"application/json, text/html;q=0.5":         "application/json",
			"text/html;q=0, application/json":           "application/json",
			"application/problem+json":                  "application/json",
			"*/*":                                       "text/plain; charset=utf-8",
			"":                                          "text/plain; charset=utf-8",
		} {
			req, _ := http.NewRequest("GET", "http://"+at[c.name][1]+"/x", nil)
			req.Header.Set("Accept", accept)
			resp, err := clientTo(t, at[c.name][0]).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			text := string(body)
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != kind || !strings.Contains(text, c.title) || !strings.Contains(text, c.text) {
				t.Errorf("%s as %q: %d %s\n%s", c.name, accept, resp.StatusCode, resp.Header.Get("Content-Type"), text)
			}
			if resp.Header.Get("Cache-Control") != "no-store" || (resp.Header.Get("Retry-After") != "") != c.retry {
				t.Errorf("%s: Cache-Control %q, Retry-After %q", c.name, resp.Header.Get("Cache-Control"), resp.Header.Get("Retry-After"))
			}
			if kind == "application/json" {
				var doc struct {
					Status    int
					Error     string
					RequestID string `json:"request_id"`
				}
				if err := json.Unmarshal(body, &doc); err != nil || doc.Status != c.status || doc.Error != c.title || doc.RequestID != resp.Header.Get("X-Request-Id") {
					t.Errorf("%s: %s %v", c.name, text, err)
				}
			}
			if shots != "" && strings.HasPrefix(kind, "text/html") {
				os.WriteFile(shots+"/"+strings.ReplaceAll(c.name, " ", "-")+".html", body, 0o600)
			}
		}
	}
}

func TestPreviewLinkOpensInABrowser(t *testing.T) {
	r := startRouter(t, Config{PreviewAllowed: func(q *http.Request) bool {
		name, password, _ := q.BasicAuth()
		return name == "preview" && password == "x7-Y"
	}})
	in := startApp(t, 2, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the second release") })
	r.Point(deploy.Route{App: "shop", Hosts: []string{"localhost"}, Preview: backendOf(in)})
	_, port, err := net.SplitHostPort(r.preview)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	page, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--dump-dom", "http://preview:x7-Y@localhost:"+port+"/").Output()
	if err != nil || !strings.Contains(string(page), "the second release") {
		t.Errorf("the browser shows %q: %v", page, err)
	}
}
