package main

import (
	"strings"
	"testing"
	"time"
)

// TestRestartPreviousBringsTheRunningColorBack: a switch and nothing else.
func TestRestartPreviousBringsTheRunningColorBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "back")
	w.command(t, "anna", "create", "back").exits(0)
	w.command(t, "anna", "restart-previous", "back").exits(1).says("no previous release")
	a.deploys(vict{version: "one"})
	two := a.deploys(vict{version: "two"})
	began := time.Now()
	p := w.startCommand(t, "anna", "restart-previous", "back")
	eventually(t, func() string { return missing(a.versionNow() == "one", "version one answers") })
	t.Logf("from typing the command to the first answer of the previous version: %v", time.Since(began).Round(time.Millisecond))
	p.end().exits(0).says("==> v1 still runs on blue and is well", "==> v1 is live on blue (replaces v2 on green)").hides("Building", "Starting")
	d := a.last()
	if d.Cause != "rollback" || d.Release != 1 || d.Replaces != 2 || d.Receipt == nil || d.Receipt.Build != 0 || d.Receipt.Start != 0 {
		t.Errorf("the deployment is %+v", d)
	} else {
		t.Logf("in the daemon: probe %.1f ms, overhead %.1f ms, switch %.2f ms", d.Receipt.Probe*1000, d.Receipt.Overhead, d.Receipt.Switch)
	}
	// The branch stands where it was pushed to; back again is as quick.
	a.refIs(two)
	w.command(t, "anna", "patch", "back").exits(1).says("rolled back")
	w.command(t, "anna", "restart-previous", "back").exits(0).says("v2 is live on green (replaces v1 on blue)")
	a.serves("two")
}

// TestRestartPreviousWakesASleepingColor: a start and a probe, no build.
func TestRestartPreviousWakesASleepingColor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--app-grace", "1s")
	a := w.app(t, "anna", "wake")
	for _, v := range []string{"one", "two", "three"} {
		a.deploys(vict{version: v})
	}
	eventually(t, func() string {
		return missing(strings.Join(a.containers(), ", ") == "blue v3 running, green v2 exited", "v2 sleeps alone")
	})
	began := time.Now()
	w.command(t, "anna", "restart-previous", "wake").exits(0).
		says("==> Starting v2 on green", "==> v2 is live on green (replaces v3 on blue)").hides("Building")
	t.Logf("restart-previous of a sleeping color: %v", time.Since(began).Round(time.Millisecond))
	a.serves("two")
	// An older one by its number: its image is there, its containers are not.
	w.command(t, "anna", "rollback", "wake", "v1").exits(0).says("v1 is live on blue").hides("Building")
	a.serves("one")
	w.command(t, "anna", "rollback", "wake", "v9").exits(3).says("no release v9")
}

// TestRollbackToAVersionThatIsBrokenKeepsTheLiveOne: going back is guarded as
// going forward is.
func TestRollbackToAVersionThatIsBrokenKeepsTheLiveOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--app-grace", "0s")
	a := w.app(t, "anna", "guard")
	w.command(t, "anna", "create", "guard").exits(0)
	a.deploys(vict{version: "one", flags: []string{"-once", "/ran"}})
	a.deploys(vict{version: "two"})
	eventually(t, func() string {
		return missing(strings.Contains(strings.Join(a.containers(), ", "), "blue v1 exited"), "v1 sleeps")
	})
	w.command(t, "anna", "restart-previous", "guard").exits(1).says("rollback to v1 failed", "green v2 still serves")
	a.serves("two")
}
