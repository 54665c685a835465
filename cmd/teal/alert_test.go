package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/store"
)

// TestRefusedPushIsMailedToPusherAndOwners: with the subject that people filter
// by, once per failure.
func TestRefusedPushIsMailedToPusherAndOwners(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "shop")
	a.deploys(vict{version: "one"})
	good := a.deploys(vict{version: "two"})
	w.command(t, "anna", "access", "grant", "shop", "bert", "deployer").exits(0)
	b := a.by("bert")
	bad := b.commit(vict{version: "three", flags: []string{"-status", "500"}, start: "5s"})
	b.push().exits(1).says("[remote rejected]", "probe answered 500")

	m := box.next()
	want := fmt.Sprintf("[teal] shop: deploy of %s failed: probe answered 500 (green v2 still serves)", bad[:7])
	if m.subject != want {
		t.Errorf("the subject is %q, want %q", m.subject, want)
	}
	to := append(m.to, restOf(box, m)...)
	slices.Sort(to)
	if got := strings.Join(to, " "); got != "anna@example.org bert@example.org" {
		t.Errorf("the mail went to %s", got)
	}
	for _, part := range []string{
		"probe", bad[:7], "Version three", "vict three listens on :8080", "green v2", "git push teal main",
		"ssh -p " + portOf(w.ssh) + " teal.example.org", "Bert <bert@example.org>",
	} {
		if !strings.Contains(m.text, part) {
			t.Errorf("the mail does not say %q:\n%s", part, m.text)
		}
	}
	a.refIs(good)
	a.serves("two")

	// The same commit fails again: nobody is told twice. Another one: another mail.
	b.push().exits(1)
	next := b.commit(vict{version: "four", flags: []string{"-status", "500"}, start: "5s"})
	b.push().exits(1)
	if m := box.next(); !strings.Contains(m.subject, next[:7]) {
		t.Errorf("the next mail is %q, want one of %s", m.subject, next[:7])
	}
}

// restOf gives the addressees of further copies of a mail that was sent one by one.
func restOf(box *mailbox, m letter) []string {
	var to []string
	for len(to)+len(m.to) < 2 {
		other := box.next()
		if other.id != m.id {
			box.t.Errorf("a copy of the mail has another Message-ID: %s and %s", m.id, other.id)
		}
		to = append(to, other.to...)
	}
	return to
}

// TestAlertWaitsForTheMailServer: one that is down when the alert is made gets
// it when it is up, even over a restart of Teal.
func TestAlertWaitsForTheMailServer(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "late")
	a.commit(vict{version: "one", flags: []string{"-fail", "-exit", "2"}})
	a.push().exits(1).says("exit code 2")
	eventually(t, func() string {
		return missing(strings.Contains(w.command(t, "root", "alerts").out, "waiting"), "the alert waits")
	})
	w.kill()
	w.minuteLater()
	box.open()
	w.start()
	m := box.next()
	if !strings.Contains(m.subject, "late: deploy of") || !strings.Contains(m.subject, "(nothing serves yet)") {
		t.Errorf("the subject is %q", m.subject)
	}
	eventually(t, func() string {
		return missing(strings.Contains(w.command(t, "root", "alerts").out, "sent"), "the alert is marked as sent")
	})
	box.empty()
}

// minuteLater has the time of the next try come for what waits to be mailed.
func (w *world) minuteLater() {
	w.t.Helper()
	w.withStore(func(ctx context.Context, db *store.DB) error {
		all, err := db.Deliveries(ctx, 10)
		for _, d := range all {
			err = errors.Join(err, db.Retry(ctx, d.ID, time.Now(), d.LastError))
		}
		return err
	})
}
