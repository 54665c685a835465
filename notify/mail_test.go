package notify

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"teal/deploy"
)

func TestMailsReadAsTheyShould(t *testing.T) {
	for name, alert := range map[string]deploy.Alert{"push": pushAlert(), "first": firstAlert(), "patch": patchAlert(), "return": returnAlert(), "gradual": gradualAlert(), "patched": patchedAlert(), "updates": updatesAlert()} {
		f := config().describe(alert)
		var plain, rich bytes.Buffer
		if err := plainPart.Execute(&plain, f); err != nil {
			t.Fatal(err)
		}
		if err := htmlPart.Execute(&rich, f); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", plain.String())
		golden(t, name+".html", rich.String())
	}
}

func TestWholeMailIsTheSameAtEachTry(t *testing.T) {
	for range 2 {
		m, err := config().compose(delivery(ChannelMail, pushAlert()), []string{"anna@example.org", "owner@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		var wire bytes.Buffer
		if _, err := m.WriteTo(&wire); err != nil {
			t.Fatal(err)
		}
		golden(t, "push.eml", strings.ReplaceAll(wire.String(), "\r\n", "\n"))
	}
}

func TestSubjectSaysWhatFailedWhyAndWhatServes(t *testing.T) {
	rollback, long := pushAlert(), pushAlert()
	rollback.Cause = deploy.CauseRollback
	long.Failure.Reason = strings.Repeat("very ", 100) + "long"
	for want, alert := range map[string]deploy.Alert{
		"[teal] shop: deploy of 3f2a1bc failed: probe answered 500 (blue v13 still serves)":                                                               pushAlert(),
		"[teal] blog: deploy of 3f2a1bc failed: main.go:12:2: undefined: handler (nothing serves yet)":                                                    firstAlert(),
		"[teal] shop: security patch of 3f2a1bc failed: web.1 ended with exit code 127 (blue v13 still serves)":                                           patchAlert(),
		"[teal] shop: patched: libssl3 3.0.15-1 → 3.0.17-1, 2 more; closes CVE-2026-1111, CVE-2026-2222 (green v14 serves)":                               patchedAlert(),
		"[teal] shop: 3 updates: libssl3 3.0.15-1 → 3.0.17-1, 2 more; closes CVE-2026-1111, CVE-2026-2222":                                                updatesAlert(),
		"[teal] shop: went back from v14 to v13: v14 answered 38.0 % of its requests with errors (v13: 0.0 %)":                                            returnAlert(),
		"[teal] shop: deploy of 3f2a1bc failed: v14 answered 38.0 % of its requests with errors at 25 % of requests (v13: 0.0 %) (blue v13 still serves)": gradualAlert(),
		"[teal] shop: rollback to 3f2a1bc failed: probe answered 500 (blue v13 still serves)":                                                             rollback,
		"[teal] shop: deploy of 3f2a1bc failed: " + strings.Repeat("very ", 20) + "… (blue v13 still serves)":                                             long,
	} {
		if got := config().describe(alert).Subject; got != want {
			t.Errorf("subject:\n%s\nwant:\n%s", got, want)
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	const evil = "x\r\nBcc: all@example.org\r\n\r\n\x1b[2J<script>alert(1)</script>\u202e"
	a := pushAlert()
	a.Commit.Subject, a.Commit.Author, a.Commit.ID, a.Pusher, a.Ref = evil, evil, evil, evil, "refs/heads/"+evil
	a.Failure.Reason, a.Failure.Hint, a.Failure.Log = evil, evil, []string{evil}
	a.Cause = deploy.Cause(evil)
	d := delivery(ChannelMail, a)
	d.MessageID = "a>\r\nBcc: all@example.org"
	m, err := config().compose(d, []string{"anna@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	if _, err := m.WriteTo(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := mail.ReadMessage(&wire)
	if err != nil {
		t.Fatal(err)
	}
	if bcc := got.Header.Get("Bcc"); bcc != "" {
		t.Errorf("a header was injected: Bcc: %s", bcc)
	}
	if strings.ContainsAny(wire.String(), "\x1b\u202e") {
		t.Error("control characters reach the mail")
	}
	plain, rich := parts(t, got)
	if strings.ContainsAny(plain, "\x1b\u202e") || strings.Contains(plain, "\nBcc") {
		t.Errorf("the plain part is not clean: %q", plain)
	}
	if strings.Contains(rich, "<script") {
		t.Error("the HTML part runs what a commit message says")
	}
}

func TestBranchThatNeedsQuotesIsNotOfferedForPasting(t *testing.T) {
	for ref, want := range map[string]string{
		"refs/heads/main": "git push teal main", "refs/heads/fix/cart-2": "git push teal fix/cart-2",
		"refs/heads/$(reboot)": "git push teal main", "refs/heads/-f": "git push teal main", "": "git push teal main",
	} {
		a := pushAlert()
		a.Ref = ref
		if got := config().describe(a).Next[0].Command; got != want {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
}
