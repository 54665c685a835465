package console

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// stream reads server-sent events: "line 7 text", "changed", "end".
type stream struct {
	t *testing.T
	c chan string
}

func (c *client) stream(path string) *stream {
	c.t.Helper()
	res := c.open(http.MethodGet, path, nil)
	c.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("%s: status %d, %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	s := &stream{t: c.t, c: make(chan string, 10000)}
	go s.read(bufio.NewScanner(res.Body))
	return s
}

func (s *stream) read(lines *bufio.Scanner) {
	defer close(s.c)
	event, id := "", ""
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "event":
			event = value
		case "id":
			id = value
		case "":
			if event != "" {
				s.c <- strings.TrimSpace(event + " " + id)
			}
			event, id = "", ""
		}
	}
}

// next gives the next event; "" when the stream has ended.
func (s *stream) next() string {
	s.t.Helper()
	select {
	case e := <-s.c:
		return e
	case <-time.After(10 * time.Second):
		s.t.Fatal("no event in 10 s")
		return ""
	}
}

func running(f *fake) deploy.DeploymentID {
	f.addLocked(deploy.Deployment{ID: 50, App: "shop", Cause: deploy.CausePush, State: deploy.Building, Color: deploy.Blue, By: "anna", CreatedAt: now()}, "abcdef0", "New")
	return 50
}

func TestTheLogComesLineByLineToItsEnd(t *testing.T) {
	f := newFake()
	id := running(f)
	f.say(id, "one")
	s := as(t, f, serve(t, f), "vera").stream("/apps/shop/deployments/50/stream")
	if got := s.next(); got != "line 1" {
		t.Fatalf("first came %q", got)
	}
	f.say(id, "two")
	if got := s.next(); got != "line 2" {
		t.Fatalf("then came %q", got)
	}
	f.move(id, deploy.Failed)
	rest := []string{s.next(), s.next()}
	slices.Sort(rest)
	// The end of the log may overtake the event of the same moment.
	if rest[0] != "changed" && rest[0] != "" || rest[1] != "end" {
		t.Errorf("at the end came %q", rest)
	}
}

func TestAReconnectGetsTheRestAndNothingTwice(t *testing.T) {
	f := newFake()
	id := running(f)
	for i := range 2500 { // a watcher is given the last 1,000
		f.say(id, fmt.Sprint("line ", i))
	}
	c := as(t, f, serve(t, f), "anna")
	c.header.Set("Last-Event-ID", "700")
	s := c.stream("/apps/shop/deployments/50/stream?after=3") // the header is newer than the URL
	f.say(id, "the last")
	for want := 701; want <= 2501; want++ {
		if got := s.next(); got != fmt.Sprint("line ", want) {
			t.Fatalf("came %q, want line %d", got, want)
		}
	}
}

func TestLinesThatTheWatcherMissedComeFromTheStore(t *testing.T) {
	f := newFake()
	id := running(f)
	f.say(id, "one")
	s := as(t, f, serve(t, f), "anna").stream("/apps/shop/deployments/50/stream")
	if got := s.next(); got != "line 1" {
		t.Fatalf("first came %q", got)
	}
	f.mu.Lock()
	for n := 2; n <= 9; n++ {
		f.logs[id] = append(f.logs[id], deploy.LogLine{N: n, At: now(), Text: "stored, not told"})
	}
	f.mu.Unlock()
	f.say(id, "ten")
	for want := 2; want <= 10; want++ {
		if got := s.next(); got != fmt.Sprint("line ", want) {
			t.Fatalf("came %q, want line %d", got, want)
		}
	}
}

func TestTheStreamOfAFinishedDeploymentEnds(t *testing.T) {
	f := newFake()
	s := as(t, f, serve(t, f), "anna").stream("/apps/shop/deployments/42/stream?after=6")
	for _, want := range []string{"line 7", "line 8", "end", ""} {
		if got := s.next(); got != want {
			t.Fatalf("came %q, want %q", got, want)
		}
	}
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	for _, path := range []string{"/live", "/apps/shop/live", "/apps/shop/deployments/50/stream"} {
		f := newFake()
		running(f)
		anna := as(t, f, serve(t, f, func(c *Console) { c.beat = 10 * time.Millisecond }), "anna")
		s := anna.stream(path)
		anna.post("/logout").is(t, http.StatusSeeOther)
		if got := s.next(); got != "" {
			t.Errorf("%s: came %q after the log out", path, got)
		}
	}
}

func TestAStreamEndsWhenTheRightIsTakenAway(t *testing.T) {
	f := newFake()
	running(f)
	s := as(t, f, serve(t, f, func(c *Console) { c.beat = 10 * time.Millisecond }), "vera").stream("/apps/shop/deployments/50/stream")
	f.mu.Lock()
	delete(f.rights, "vera/shop")
	f.mu.Unlock()
	if got := s.next(); got != "" {
		t.Errorf("came %q", got)
	}
}

func TestEventsOfOtherAppsAreNotTold(t *testing.T) {
	f := newFake()
	s := as(t, f, serve(t, f), "anna").stream("/live")
	eventually(t, "the page follows", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.subs) == 1
	})
	f.move(39, deploy.Warm) // blog
	f.move(42, deploy.Warm) // shop
	if got := s.next(); got != "changed" {
		t.Fatalf("came %q", got)
	}
	select {
	case got := <-s.c:
		t.Errorf("a second event came: %q", got)
	default:
	}
}

func TestOpenStreamsAreBounded(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	anna := as(t, f, s, "anna")
	for range streamsEach {
		anna.stream("/apps/shop/live")
	}
	anna.get("/apps/shop/live").is(t, http.StatusServiceUnavailable)
	as(t, f, s, "vera").stream("/apps/shop/live")
}

func TestPlacesOfStreamsAreGivenBack(t *testing.T) {
	g := newStreamGate()
	for range 3 * streamsAll {
		leave, ok := g.enter("anna")
		if !ok {
			t.Fatal("no place left")
		}
		leave()
	}
	if g.all != 0 || len(g.by) != 0 {
		t.Errorf("%d places taken, by %v", g.all, g.by)
	}
}

func TestTheRealEngineFeedsTheTaps(t *testing.T) {
	watch, subscribe := feeds(deploy.New(deploy.Config{}))
	if watch(1) != nil {
		t.Error("a deployment that is not under way has a watcher")
	}
	events := subscribe("shop")
	events.Close()
	events.Close()
	if _, open := <-events.C; open {
		t.Error("a closed feed is open")
	}
}
