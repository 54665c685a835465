package main

import (
	"strings"
	"testing"
)

// TestConfigSetMakesAReleaseWithoutABuild: the app sees a new value after a
// switch, not after a build, and a value that breaks it never serves.
func TestConfigSetMakesAReleaseWithoutABuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	w.command(t, "anna", "create", "shop").exits(0).says("git remote add teal")
	w.command(t, "anna", "config", "set", "shop", "GREETING=hello").exits(0).says("the next push takes it along")
	id := a.deploys(vict{version: "one"})
	a.answers("/env?k=GREETING", "hello")
	a.answers("/env?k=PORT", "8080")

	w.command(t, "anna", "config", "set", "shop", "GREETING=moin", "COLOR=teal").exits(0).
		says("v2 of shop is live on green").hides("Building")
	a.answers("/env?k=GREETING", "moin")
	a.answers("/env?k=COLOR", "teal")
	a.refIs(id)
	d := a.last()
	if d.Cause != "config" || d.Receipt == nil || d.Receipt.Build != 0 || d.By != "anna" {
		t.Errorf("the deployment is %+v", d)
	}
	w.command(t, "anna", "config", "unset", "shop", "COLOR").exits(0).says("v3 of shop is live on blue")
	a.answers("/env?k=COLOR", "")
	w.command(t, "anna", "config", "set", "shop", "PORT=1").exits(2).says("PORT is always 8080")
	w.command(t, "bert", "config", "list", "shop", "--show").exits(3).hides("moin")
	w.command(t, "anna", "config", "list", "shop").exits(0).says("GREETING").hides("moin")
	w.command(t, "anna", "config", "list", "shop", "--show").exits(0).says("moin")
}

// TestSecretsAreRedactedWhereverTheyAreSaid: in what the pusher sees, in the
// stored log, in the app's own log, in the failure and in the mail.
func TestSecretsAreRedactedWhereverTheyAreSaid(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-swordfish-9000"
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "vault")
	w.command(t, "anna", "create", "vault").exits(0)
	w.input(t, "anna", secret+"\n", "config", "set", "vault", "SECRET").exits(0).hides(secret)
	a.commit(vict{version: "one", release: []string{"-show", "SECRET", "-sleep", "1ms"}, flags: []string{"-show", "SECRET"}})
	a.push().exits(0).says("SECRET is [redacted]").hides(secret)
	a.answers("/env?k=SECRET", secret)
	w.command(t, "anna", "logs", "vault", "--deployment", "1").exits(0).says("SECRET is [redacted]").hides(secret)
	w.command(t, "anna", "logs", "vault").exits(0).says("SECRET is [redacted]").hides(secret)

	a.commit(vict{version: "two", flags: []string{"-show", "SECRET", "-status", "503"}, start: "1s"})
	a.push().exits(1).says("SECRET is [redacted]", "probe answered 503").hides(secret)
	w.command(t, "anna", "deployments", "vault", "--json").exits(0).says("SECRET is [redacted]").hides(secret)
	m := box.next()
	if !strings.Contains(m.text, "SECRET is [redacted]") || strings.Contains(m.raw, secret) {
		t.Errorf("the mail says:\n%s", m.text)
	}
	for i, log := range w.logs {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log of daemon %d has the secret", i+1)
		}
	}
}
