package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// TestTwentyPromotionsUnderLoadFailNoRequest: 50 connections ask with GET and
// POST; none breaks, no POST is done twice, and no request that begins after the switch
// is answered by an older version.
func TestTwentyPromotionsUnderLoadFailNoRequest(t *testing.T) {
	w := newWorld(t)
	a := w.app(t, "anna", "busy")
	posts := newCollector(t)
	version := func(n int) vict {
		return vict{version: strconv.Itoa(n), flags: []string{"-report", posts.port}}
	}
	a.deploys(version(0))
	l := startLoad(a, 50)
	const promotions = 20
	for n := 1; n <= promotions; n++ {
		id := a.commit(version(n))
		a.push("-o", "detach").exits(0)
		// Once one request was answered by the new version, all that begin are.
		eventually(t, func() string { return missing(l.newest.Load() == int64(n), "version "+strconv.Itoa(n)+" answers") })
		l.floor.Store(int64(n))
		// The next push comes while this one is still draining.
		eventually(t, func() string { return missing(a.ref() == id, "the ref is at version "+strconv.Itoa(n)) })
	}
	a.reaches("live")
	a.oldColorIsQuiet(l)
	l.stop()

	for i, err := range l.failures {
		if i < 10 {
			t.Errorf("failed: %v", err)
		}
	}
	t.Logf("%d promotions, %d requests, %d failed, %d connections ended in good order", promotions, l.asked.Load(), len(l.failures), l.closed)
	eventually(t, func() string {
		once, twice := posts.heard()
		if len(twice) > 0 {
			t.Fatalf("%d POSTs came more than once: %v", len(twice), twice[:min(len(twice), 5)])
		}
		return missing(once == len(l.posted), "each answered POST was heard of: "+strconv.Itoa(once)+" of "+strconv.Itoa(len(l.posted)))
	})
	for _, d := range a.deployments() {
		if d.Receipt == nil || d.Receipt.Failed != 0 || d.Receipt.Cut != 0 {
			t.Errorf("the receipt of v%d is %+v", d.Release, d.Receipt)
		} else {
			t.Logf("v%d: switch %.2f ms, overhead %.0f ms, %d requests during the switch", d.Release, d.Receipt.Switch, d.Receipt.Overhead, d.Receipt.Requests)
		}
	}
}

// oldColorIsQuiet checks that the replaced color, which still runs, gets nothing
// but what this asks it on the preview.
func (a *app) oldColorIsQuiet(l *load) {
	a.t.Helper()
	preview := a.standing().PreviewURL
	count := func() int {
		_, body, err := a.w.get(preview + "/requests")
		n, nerr := strconv.Atoi(body)
		if err != nil || nerr != nil {
			a.t.Fatalf("the preview answers %q, %v", body, err)
		}
		return n
	}
	before, asked := count(), l.asked.Load()
	eventually(a.t, func() string { return missing(l.asked.Load() > asked+500, "500 more requests were answered") })
	if after := count(); after != before+1 {
		a.t.Errorf("the replaced color got %d requests after the switch", after-before-1)
	}
}

// TestHeyCountsNoErrorDuringASwitch: the same with a load tool that others trust.
func TestHeyCountsNoErrorDuringASwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "hey")
	a.deploys(vict{version: "one"})
	cmd := exec.Command("hey", "-z", "5m", "-c", "50", "-q", "10", "-t", "60", "-host", "hey.localhost", "http://"+w.http+"/version")
	hey := startProc(t, cmd)
	a.deploys(vict{version: "two"})
	w.command(t, "anna", "restart-previous", "hey").exits(0)
	a.serves("one")
	hey.signal(syscall.SIGINT)
	_, codes, _ := strings.Cut(hey.end().out, "Status code distribution:")
	codes = strings.TrimSpace(codes)
	if !strings.HasPrefix(codes, "[200]") || strings.Contains(codes, "\n") {
		t.Errorf("hey counts other answers than 200:\n%s", codes)
	}
	t.Log(codes)
}

// TestSocketsOutliveTheSwitchUntilTheGraceEnds and are told then, with a close frame.
func TestSocketsOutliveTheSwitchUntilTheGraceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--app-grace", "20s")
	a := w.app(t, "anna", "chat")
	a.deploys(vict{version: "one"})
	old := a.socket()
	old.echoes("one")
	a.deploys(vict{version: "two"})
	a.socket().echoes("two")
	old.echoes("one")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, err := old.conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		t.Errorf("at the end of the grace the socket got %v, want a close frame", err)
	}
	t.Logf("the close frame says %d %q", closed.Code, closed.Reason)
	eventually(t, func() string {
		return missing(strings.Join(a.containers(), ", ") == "blue v1 exited, green v2 running", "the replaced color sleeps")
	})
}

type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

func (a *app) socket() socket {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, a.url("/ws"), &websocket.DialOptions{HTTPClient: a.w.client})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.CloseNow() })
	return socket{a.t, conn}
}

// echoes checks that the version answers on the socket.
func (s socket) echoes(version string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := s.conn.Write(ctx, websocket.MessageText, []byte("hello"))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, b, err := s.conn.Read(ctx); err != nil || string(b) != version+" hello" {
		s.t.Errorf("the socket answers %q, %v, want version %s", b, err, version)
	}
}
