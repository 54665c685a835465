package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func ctrlC(t *testing.T, w *world) {
	a := w.app(t, "anna", "ctrl-c")
	flags, mark := sleeping("10m")
	id := a.commit(vict{version: "one", run: flags})
	p := a.startPush()
	p.sees("==> Building")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the build step runs") })
	p.signal(syscall.SIGINT)
	if r := p.end(); r.code == 0 {
		t.Errorf("git push ended with 0 on ctrl-C:\n%s", r.out)
	}
	if d := a.last(); d.State != "building" {
		t.Errorf("after ctrl-C the deployment is %s", d.State)
	}
	log := w.startCommand(t, "anna", "logs", "-f", "ctrl-c")
	log.sees("==> Building")
	wake(t, mark)
	log.end().exits(0).says("==> Building "+id[:7], "==> v1 is live on blue", "v1 of ctrl-c is live on blue")
	a.serves("one")
	a.refIs(id)

	// One that fails ends the watching with its own exit code.
	release, mark := sleeping("10m")
	a.commit(vict{version: "two", release: append(release, "-exit", "3")})
	p = a.startPush()
	p.sees("==> Release command")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the release command runs") })
	p.signal(syscall.SIGINT)
	p.end()
	log = w.startCommand(t, "anna", "logs", "-f", "ctrl-c")
	log.sees("==> Release command")
	wake(t, mark)
	log.end().exits(1).says("exit code 3", "blue v1 still serves")
	a.serves("one")
	a.refIs(id)
}

func cancelOnDisconnect(t *testing.T, w *world) {
	a := w.app(t, "anna", "hang-up")
	a.deploys(vict{version: "one"})
	flags, mark := sleeping("10m")
	a.commit(vict{version: "two", run: flags})
	p := a.startPush("-o", "cancel-on-disconnect")
	p.sees("==> Building")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the build step runs") })
	p.signal(syscall.SIGINT)
	p.end()
	d := a.reaches("canceled")
	if !strings.Contains(d.Note, "anna") {
		t.Errorf("the note of the canceled deployment is %q", d.Note)
	}
	eventually(t, func() string { return missing(processes(t, mark) == 0, "the build step has ended") })
	a.serves("one")
}

func detach(t *testing.T, w *world) {
	a := w.app(t, "anna", "detached")
	one := a.deploys(vict{version: "one"})
	flags, mark := sleeping("10m")
	two := a.commit(vict{version: "two", run: flags})
	a.push("-o", "detach").exits(0).says("deployment", "is queued", "logs -f detached").hides("==>")
	a.refIs(one)
	a.serves("one")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the build step runs") })
	wake(t, mark)
	a.reaches("live", "draining")
	a.serves("two")
	eventually(t, func() string { return missing(a.ref() == two, "the ref moved") })
}

func noPromote(t *testing.T, w *world) {
	a := w.app(t, "anna", "staged")
	one := a.deploys(vict{version: "one"})
	two := a.commit(vict{version: "two"})
	a.push("-o", "no-promote").exits(0).says("staged v2 is staged on green", "blue v1 still serves staged.", "promote staged")
	a.serves("one")
	a.refIs(one)
	s := a.standing()
	if s.Staged != 2 || s.Live != 1 {
		t.Errorf("the app stands at %+v", s)
	}

	preview := s.PreviewURL
	status, body, err := w.get(preview + "/version")
	if err != nil || status != http.StatusOK || body != "two" {
		t.Errorf("the preview %s answers %d %q, %v", preview, status, body, err)
	}
	_, address, _ := strings.Cut(preview, "@")
	if status, body, err := w.get("http://" + address + "/version"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the preview without its password answers %d %q, %v", status, body, err)
	}

	w.command(t, "anna", "promote", "staged").exits(0).says("v2 of staged is live on green")
	a.serves("two")
	a.refIs(two)
	w.command(t, "anna", "promote", "staged").exits(1).says("nothing of staged waits on the preview")

	// A staged release that is canceled is taken away.
	a.commit(vict{version: "three"})
	a.push("-o", "no-promote").exits(0)
	w.command(t, "anna", "cancel", "staged").exits(0).says("canceled", "green v2 still serves")
	a.serves("two")
	a.refIs(two)
	for _, c := range a.containers() {
		if strings.Contains(c, "v3") {
			t.Errorf("a canceled release has a container: %s", c)
		}
	}
}

func noCache(t *testing.T, w *world) {
	a := w.app(t, "anna", "cached")
	run := []string{"-stamp", "/built"}
	a.deploys(vict{version: "one", run: run})
	_, first, err := a.ask("/file?p=/built")
	if err != nil {
		t.Fatal(err)
	}
	a.deploys(vict{version: "two", run: run})
	a.answers("/file?p=/built", first)
	a.commit(vict{version: "three", run: run})
	a.push("-o", "no-cache").exits(0)
	a.serves("three")
	if _, now, err := a.ask("/file?p=/built"); err != nil || now == first {
		t.Errorf("with no-cache the build step was not run again: %q, %v", now, err)
	}
}
