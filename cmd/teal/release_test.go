package main

import (
	"strings"
	"testing"
	"time"
)

// TestReleaseCommandThatHangsIsKilledAndToldOfOnce: with the app's environment, its
// output in the push and afterwards, its container gone, production alone, one mail.
func TestReleaseCommandThatHangsIsKilledAndToldOfOnce(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "shop")
	good := a.deploys(vict{version: "good"})
	const secret = "postgres-of-shop-9c41"
	w.input(t, "anna", secret, "config", "set", "shop", "DATABASE_URL").exits(0)
	a.reaches("live")
	before := a.instances()

	flags, mark := sleeping("10m")
	a.commit(vict{version: "hangs", release: append(flags, "-show", "TEAL_RELEASE"), limit: "10s"})
	began := time.Now()
	pushed := a.push().exits(1).says("Release command: ", "TEAL_RELEASE is v3", "release command failed: not done after 10s", "half migrated", "still serves shop.")
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s", took)
	}
	if n := processes(t, mark); n != 0 {
		t.Errorf("%d processes of it are left", n)
	}
	if after := a.instances(); after != before {
		t.Errorf("%s became %s", before, after)
	}
	a.refIs(good)
	a.serves("good")
	w.command(t, "anna", "logs", "shop", "--release-command").exits(0).says("TEAL_RELEASE is v3")
	if m := box.next(); !strings.Contains(m.subject, "failed: release command: not done after 10s (green v2 still serves)") || !strings.Contains(m.text, "TEAL_RELEASE is v3") {
		t.Errorf("the mail is %q:\n%s", m.subject, m.text)
	}
	box.empty()

	a.commit(vict{version: "leaks", release: []string{"-show", "DATABASE_URL", "-fail", "-exit", "9"}})
	leaked := a.push().exits(1).says("Release command: ", "DATABASE_URL is ", "release command failed: exit code 9")
	log := w.command(t, "anna", "logs", "shop", "--release-command").exits(0).says("DATABASE_URL is ")
	m := box.next()
	for where, text := range map[string]string{"push": pushed.out + leaked.out, "log": log.out, "mail": m.subject + m.text} {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is in the %s:\n%s", where, text)
		}
	}
	box.empty()
}

// TestMigrationMarkWarnsOrBlocksOverSSH as it is in teal.toml.
func TestMigrationMarkWarnsOrBlocksOverSSH(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	a.deploys(vict{version: "one"})
	a.deploys(vict{version: "two", toml: "[migrate]\nmark = \"split-names\""})
	w.command(t, "anna", "rollback", "shop").exits(0).says(`Careful: across a migration: v2 has the migration mark "split-names"`)
	a.serves("one")
	a.deploys(vict{version: "three", toml: "[migrate]\nmark = \"split-names\"\nrollback = \"block\""})
	w.command(t, "anna", "rollback", "shop").exits(1).says("a migration lies between", "--across-migration")
	a.serves("three")
	w.command(t, "anna", "rollback", "shop", "--across-migration").exits(0)
	a.serves("one")
}
