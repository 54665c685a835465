package commands

import (
	"testing"

	"teal/deploy"
)

func TestDryRunSaysWhatAPatchWouldChangeAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.run("dora", "patch", "shop", "--dry-run").want(t, ExitDone, "v14 of shop is up to date")
	w.pending = deploy.Pending{Pushed: []string{"7 Go modules"}}
	w.run("dora", "patch", "shop", "--dry-run").want(t, ExitDone, "is up to date", "Only a push changes: 7 Go modules")
	w.pending = deploy.Pending{
		Changes: []deploy.Change{{Kind: "deb", Name: "libssl3", Old: "3.0.15-1", New: "3.0.17-1", Security: true, CVEs: []string{"CVE-2026-1"}}},
		Bases:   []string{"debian:12"}, Unknown: []string{"the rest"}, Remedy: "build it anew",
	}
	w.held = "it failed twice"
	w.run("dora", "patch", "shop", "--dry-run").want(t, ExitDone, "1 updates, 1 of them for security", "Newer: debian:12", "Cannot tell: the rest",
		"libssl3", "3.0.17-1", "CVE-2026-1", "would build it anew", "The schedule does not: it failed twice.")
	oneObject(t, w.run("dora", "patch", "shop", "--dry-run", "--json").out)
	w.run("dora", "patch", "shop", "--dry-run", "--now").want(t, ExitUsage, "ask for one")
	w.run("dora", "patch", "shop", "--json").want(t, ExitUsage, "--json is for --dry-run")
	w.broken["plan"] = deploy.ErrNothing
	w.run("dora", "patch", "shop", "--dry-run").want(t, ExitFailed)
	w.asked()
}
