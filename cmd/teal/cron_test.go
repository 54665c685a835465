package main

import (
	"strings"
	"testing"
	"time"
)

// TestScheduledCommandsRunInTheLiveReleaseAlone: by the clock, when a release
// goes live and at hand; a run outlives a promotion in the release that it
// began with, its output has no secrets, and failures in a row are one mail.
func TestScheduledCommandsRunInTheLiveReleaseAlone(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "shop")
	flags, mark := sleeping("10m")
	table := `
[cron.tick]
schedule = "* * * * *"
command = ["/vict", "-show", "TOKEN", "-sleep", "10ms"]
[cron.broken]
schedule = "* * * * *"
command = "/vict -fail -exit 3"
[cron.slow]
schedule = "@yearly"
command = "/vict ` + strings.Join(flags, " ") + `"
timeout = "15m"
[cron.after]
schedule = "@deploy"
command = "/vict -show TEAL_APP -sleep 10ms"
`
	a.commit(vict{version: "zero", toml: "[cron.x]\nschedule = \"61 * * * *\"\ncommand = \"/vict\""})
	a.push().exits(1).says("teal.toml: scheduled command x", "is no schedule", "correct teal.toml, commit and push again")
	box.next() // of that push
	a.deploys(vict{version: "one", toml: table})
	w.command(t, "anna", "config", "set", "shop", "TOKEN=kept-to-ourselves").exits(0)

	// The new configuration is v2; @deploy runs for v1 and for v2.
	eventually(t, func() string {
		out := w.command(t, "anna", "cron", "shop").exits(0).out
		return missing(strings.Contains(lineOf(out, "after"), "ok") && strings.Contains(lineOf(out, "after"), "v2"), "the command of a deployment ran in v2:\n"+out)
	})
	slow := w.startCommand(t, "anna", "cron", "shop", "run", "slow")
	slow.sees("vict sleeps 10m")
	w.command(t, "anna", "cron", "shop", "run", "slow").exits(5).says("the run before it goes on")
	a.deploys(vict{version: "two", toml: table})
	wake(t, mark)
	slow.end().exits(0).says("slow of v2 ran well")
	var broken result
	eventually(t, func() string { // the clock may have begun a run as well
		broken = w.command(t, "anna", "cron", "shop", "run", "broken")
		return missing(broken.code != 5, "no other run of broken goes on")
	})
	broken.exits(1).says("vict fails with 3", "broken of v3 failed", "exit code 3")
	w.command(t, "anna", "cron", "shop", "run", "none").exits(3).says("it has: after, broken, slow, tick")

	within(t, 2*time.Minute, func() string {
		out := w.command(t, "anna", "cron", "shop", "--log", "tick").exits(0).out
		return missing(strings.Contains(out, "TOKEN is [redacted]"), "tick ran by the clock:\n"+out)
	})
	m := box.next()
	if m.subject != "[teal] shop: scheduled command broken failed: exit code 3" || !strings.Contains(m.text, "vict fails with 3") {
		t.Errorf("the mail is %q:\n%s", m.subject, m.text)
	}
	out := w.command(t, "anna", "cron", "shop").exits(0).out
	t.Logf("the list:\n%s", out)
	eventually(t, func() string { // both colors' web, and nothing that ran on a schedule
		all := a.containers()
		return missing(len(all) == 2, strings.Join(all, ", ")+" are two")
	})
	box.empty()
	a.serves("two")
}

// lineOf gives the line that begins with the word.
func lineOf(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word+" ") {
			return line
		}
	}
	return ""
}
