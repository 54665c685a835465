package router

import (
	"fmt"
	"log/slog"
	"testing"

	"teal/deploy"
)

func TestHostIsFoundHoweverItIsWritten(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler)})
	for i, hosts := range [][]string{{"shop.test", "www.shop.test"}, {"*.wild.test"}, {"deep.wild.test"}, {"[::1]"}} {
		app := deploy.AppName(fmt.Sprintf("app%d", i))
		r.Point(deploy.Route{App: app, Hosts: hosts})
	}
	for host, want := range map[string]string{
		"shop.test":        "app0",
		"SHOP.Test":        "app0",
		"shop.test.":       "app0",
		"shop.test:8080":   "app0",
		"Shop.Test.:443":   "app0",
		"shop.test:":       "app0",
		"www.shop.test":    "app0",
		"api.shop.test":    "",
		"one.wild.test":    "app1",
		"ONE.wild.test:80": "app1",
		"a.b.wild.test":    "",
		"wild.test":        "",
		".wild.test":       "",
		"deep.wild.test":   "app2",
		"[::1]:80":         "app3",
		"[::1]":            "app3",
		"":                 "",
		"test":             "",
		"shop.test:http":   "",
		"shop.test:80:80":  "",
		"shop test":        "",
		"shop.test/":       "",
		"[::1":             "",
	} {
		got := ""
		if e := r.table.Load().find(plainHost(host)); e != nil {
			got = string(e.route.App)
		}
		if got != want {
			t.Errorf("host %q goes to %q, want %q", host, got, want)
		}
	}
}

func TestHostOfTwoAppsStaysWithTheFirstAndPassesOn(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler)})
	owner := func() string {
		if e := r.table.Load().find("x.test"); e != nil {
			return string(e.route.App)
		}
		return ""
	}
	r.Point(deploy.Route{App: "one", Hosts: []string{"x.test"}})
	r.Point(deploy.Route{App: "two", Hosts: []string{"x.test", "y.test"}})
	if owner() != "one" {
		t.Fatalf("owner is %q, want one", owner())
	}
	r.Point(deploy.Route{App: "one", Hosts: []string{"z.test"}})
	if owner() != "two" {
		t.Fatalf("owner is %q after one gave it up, want two", owner())
	}
	r.Remove("two")
	if owner() != "" {
		t.Fatalf("owner is %q after all are gone", owner())
	}
	if got := len(r.claims); got != 1 {
		t.Errorf("%d hosts are claimed, want 1", got)
	}
}

func TestHostOfNobodyGoesToTheDefaultApp(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler), DefaultApp: "main"})
	found := func(host string) string {
		if e := r.table.Load().find(host); e != nil {
			return string(e.route.App)
		}
		return ""
	}
	r.Point(deploy.Route{App: "wild", Hosts: []string{"*.wild.test"}})
	if got := found("other.test"); got != "" {
		t.Errorf("before the default app is there: %q", got)
	}
	r.Point(deploy.Route{App: "main", Hosts: []string{"main.test"}})
	for host, want := range map[string]string{"main.test": "main", "other.test": "main", "203.0.113.7": "main", "a.wild.test": "wild", "a.b.wild.test": "main"} {
		if got := found(host); got != want {
			t.Errorf("%s goes to %q, want %q", host, got, want)
		}
	}
	r.Remove("main")
	if got := found("other.test"); got != "" {
		t.Errorf("after the default app is gone: %q", got)
	}
}
