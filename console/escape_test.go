package console

import (
	"net/http"
	"strings"
	"testing"

	"teal/deploy"
)

// hostile is what a pusher or an app may put wherever it can write.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "\x1b[31m\u202e{{.}}\x00\r\nSet-Cookie: a=b"

func TestTextFromOutsideStaysText(t *testing.T) {
	f := newFake()
	f.setApp("shop", func(a *deploy.App) {
		a.Domains, a.Branch, a.Env = []string{hostile}, hostile, map[string]string{hostile: hostile}
	})
	r := f.releases["shop/14"]
	r.Commit = deploy.Commit{ID: hostile, Author: hostile, Subject: hostile}
	f.releases["shop/14"], f.releases["shop/13"] = r, r
	for id, d := range f.deployments {
		if d.App != "shop" {
			continue
		}
		d.By, d.Note, d.Push.Ref, d.Push.Commit = hostile, hostile, hostile, r.Commit
		if d.Failure != nil {
			d.Failure = &deploy.Failure{Step: deploy.StepProbe, Reason: hostile, Hint: hostile, Log: []string{hostile}}
		}
		if d.Receipt != nil {
			d.Receipt.Image = hostile
		}
		f.deployments[id] = d
	}
	f.logs[42] = []deploy.LogLine{{N: 1, At: now(), Text: hostile}}
	f.events = append(f.events, deploy.Event{ID: 99, At: now(), App: "shop", By: hostile, Text: hostile})
	f.deliveries = append(f.deliveries, deploy.Delivery{ID: 9, Channel: hostile, LastError: hostile, Attempts: 1, Alert: deploy.Alert{
		App: "shop", Commit: r.Commit, Failure: deploy.Failure{Step: "build", Reason: hostile},
	}})
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	for _, path := range []string{"/", "/apps/shop", "/apps/shop/restart", "/apps/shop/deployments/41", "/apps/shop/deployments/42", "/events", "/alerts", "/login?token=%22%3E%3Cscript%3Ealert(1)"} {
		a := anna.get(path)
		a.is(t, http.StatusOK)
		a.lacks(t, "<script>alert", "<img src=x", "\x1b", "\u202e", "\x00")
		if path != "/login?token=%22%3E%3Cscript%3Ealert(1)" && !strings.Contains(a.body, "&lt;script&gt;") {
			t.Errorf("%s does not show the text at all: is it tested?", path)
		}
	}
	a := anna.get("/apps/shop/deployments/42/log.txt")
	a.lacks(t, "\x1b", "\u202e", "\x00")
	if kind := a.header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("the log is %q", kind)
	}
}

func TestColorsOfOutputAreTakenOut(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[32mDONE\x1b[0m 3 s":              "DONE 3 s",
		"\x1b[1;38;5;196mred\x1b[K":            "red",
		"\x1b]8;;http://x\x07link\x1b]8;;\x07": "link",
		"a\x1bb":                               "a?b",
	} {
		if got := line(in); got != want {
			t.Errorf("line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSecretsOfTheEnvironmentAreNeverShown(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	a := as(t, f, s, "root").get("/apps/shop")
	a.is(t, http.StatusOK, "DATABASE_URL")
	a.lacks(t, "very-secret", "postgres://")
}
