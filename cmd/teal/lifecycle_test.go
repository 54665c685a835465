package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecondDaemonOnTheSameDataIsRefused, with a message that says what to do.
func TestSecondDaemonOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := ownHost()
	w.run(w.bin, "serve", "--data", w.data, "--http", host+":8080", "--preview", host+":8888",
		"--ssh", host+":2222", "--console", host+":3000").exits(1).says(w.data, "another teal")
	if !w.daemon.running() {
		t.Error("the first daemon ended")
	}
	w.command(t, "root", "whoami").exits(0).says("root")
	// Those of the machine's administrator work beside the daemon.
	w.run(w.bin, "backup", w.dir+"/copy.db", "--data", w.data).exits(0).says("The database is in")
}

// TestPortInUseIsSaidWithTheFlagThatChangesIt: another program on the port is
// what a first start meets most often.
func TestPortInUseIsSaidWithTheFlagThatChangesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := makeWorld(t, tealBin)
	w.run(w.bin, "serve", "--data", other.data, "--http", w.http, "--preview", other.preview,
		"--ssh", other.ssh, "--console", other.console).exits(1).says("cannot listen on "+w.http, "--http")
}

// TestTerminatedDaemonEndsABuildCleanly: a stop in the middle of a build takes
// seconds, the pusher is told, and the record is true.
func TestTerminatedDaemonEndsABuildCleanly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	one := a.deploys(vict{version: "one"})
	before := a.containers()
	flags, mark := sleeping("10m")
	a.commit(vict{version: "two", run: flags})
	p := a.startPush()
	p.sees("==> Building")
	eventually(t, func() string { return missing(processes(t, mark) > 0, "the build step runs") })
	if took := w.stop(); took > stopMost {
		t.Errorf("the daemon took %v to end", took)
	} else {
		t.Logf("SIGTERM during a build: ended after %v", took.Round(time.Millisecond))
	}
	if r := p.end().says("remote: "); r.code == 0 {
		t.Errorf("git push ended with 0:\n%s", r.out)
	} else {
		t.Logf("the pusher saw:\n%s", r.out)
	}
	eventually(t, func() string { return missing(processes(t, mark) == 0, "the build step has ended") })
	w.start()
	d := a.last()
	if d.State != "failed" || d.Failure == nil || !strings.Contains(d.Failure.Reason, "while the deployment was building") {
		t.Errorf("the deployment is %+v", d)
	}
	a.serves("one")
	a.refIs(one)
	if after := a.containers(); strings.Join(after, ",") != strings.Join(before, ",") {
		t.Errorf("the containers were %v, are %v", before, after)
	}
	w.command(t, "anna", "redeploy", "shop").exits(0)
	a.serves("one")
}

// TestTerminatedDaemonFinishesRequestsInFlight while it takes no new ones.
func TestTerminatedDaemonFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	a.deploys(vict{version: "one"})
	rest := a.slow("3s")
	w.daemon.signal(syscall.SIGTERM)
	eventually(t, func() string {
		client := &http.Client{Transport: &http.Transport{DialContext: w.dial, DisableKeepAlives: true}, Timeout: time.Second}
		resp, err := client.Get(a.url("/version"))
		if err != nil {
			return ""
		}
		_ = resp.Body.Close()
		return "new connections are still taken"
	})
	if body, err := rest(); err != nil || body != "one" {
		t.Errorf("the request in flight got %q, %v", body, err)
	}
	w.daemon.end().exits(0)
	w.start()
	a.serves("one")
}
