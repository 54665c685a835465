package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"teal/deploy"
)

// slowApp begins an answer (or not), and ends it when told.
func slowApp(t *testing.T, release int) (in deploy.Instance, started, finish chan struct{}) {
	started, finish = make(chan struct{}, 10), make(chan struct{})
	in = startApp(t, release, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			io.WriteString(w, "first")
			w.(http.Flusher).Flush()
		}
		started <- struct{}{}
		select {
		case <-finish:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	return in, started, finish
}

func TestDrainWaitsForWhatIsInFlightAndNewOnesGoElsewhere(t *testing.T) {
	r := startRouter(t, Config{})
	old, started, finish := slowApp(t, 1)
	r.pointShop(old)
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, r.client(), "http://shop.test/")
		answered <- body
	}()
	<-started
	r.pointShop(startApp(t, 2, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "two") }))
	drained := make(chan int, 1)
	go func() { drained <- r.Drain(t.Context(), "shop", 1) }()
	if _, body := get(t, r.client(), "http://shop.test/"); body != "two" {
		t.Errorf("a new request got %q", body)
	}
	select {
	case <-drained:
		t.Fatal("the drain did not wait")
	default:
	}
	close(finish)
	if body := <-answered; body != "done" {
		t.Errorf("the old request got %q", body)
	}
	if cut := <-drained; cut != 0 {
		t.Errorf("the drain cut %d", cut)
	}
}

func TestDrainCutsAtItsEnd(t *testing.T) {
	r := startRouter(t, Config{})
	old, started, _ := slowApp(t, 1)
	r.pointShop(old)
	type result struct {
		status int
		err    error
	}
	results := make(chan result, 2)
	for _, path := range []string{"/begun", "/silent"} {
		go func() {
			resp, err := r.client().Get("http://shop.test" + path)
			if err != nil {
				results <- result{0, err}
				return
			}
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
			results <- result{resp.StatusCode, err}
		}()
	}
	<-started
	<-started
	r.pointShop(startApp(t, 2, func(http.ResponseWriter, *http.Request) {}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if cut := r.Drain(ctx, "shop", 1); cut != 2 {
		t.Errorf("the drain cut %d, want 2", cut)
	}
	for range 2 {
		switch got := <-results; {
		case got.status == 200 && got.err != nil: // the begun one breaks visibly
		case got.status == 504 && got.err == nil:
		default:
			t.Errorf("a cut request got %+v", got)
		}
	}
	eventually(t, "nothing is in flight", func() bool { return r.Figures("shop", 1).InFlight == 0 })
	if f := r.Figures("shop", 1); f.Failed != 2 {
		t.Errorf("figures %+v", f)
	}
}

func TestDrainDoesNotWaitForThePreviewOfTheRelease(t *testing.T) {
	r := startRouter(t, Config{})
	old, started, finish := slowApp(t, 1)
	defer close(finish)
	next := startApp(t, 2, func(http.ResponseWriter, *http.Request) {})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(next), Preview: backendOf(old)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://shop.test/", nil)
		if resp, err := clientTo(t, r.preview).Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	if f := r.Figures("shop", 1); f.InFlight != 1 {
		t.Errorf("figures %+v", f)
	}
	done := make(chan struct{})
	go func() { defer close(done); r.Drain(t.Context(), "shop", 1) }()
	within(t, "the drain", done)
}

func TestDrainOfTheUnknownReturnsAtOnce(t *testing.T) {
	r := New(Config{})
	if cut := r.Drain(t.Context(), "shop", 7); cut != 0 {
		t.Errorf("cut %d", cut)
	}
	r.Release(t.Context(), "shop", 7)
	r.Remove("shop")
	if f := r.Figures("shop", 7); f != (deploy.Figures{}) {
		t.Errorf("figures %+v", f)
	}
}

func TestIdleConnectionsToTheReplacedReleaseAreClosed(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{UpstreamIdle: 5 * time.Minute}})
	closed := make(chan struct{})
	old := startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		readHead(br)
		close(closed)
	})
	r.pointShop(old)
	get(t, r.client(), "http://shop.test/")
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"},
		Live: backendOf(startApp(t, 2, func(http.ResponseWriter, *http.Request) {})), Preview: backendOf(old),
	})
	within(t, "closing the idle connection", closed)
}

func TestPointingAtTheSameReleaseKeepsConnectionsAndCounters(t *testing.T) {
	r := startRouter(t, Config{})
	conns := make(chan struct{}, 100)
	in := startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		conns <- struct{}{}
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	for i := range 20 {
		r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test", fmt.Sprintf("n%d.test", i)}, Live: backendOf(in)})
		get(t, r.client(), "http://shop.test/")
	}
	if len(conns) != 1 || r.Figures("shop", 1).Requests != 20 {
		t.Errorf("%d connections, figures %+v", len(conns), r.Figures("shop", 1))
	}
}

func TestOldReleasesAreForgottenInTime(t *testing.T) {
	r := New(Config{})
	for release := 1; release <= 50; release++ {
		r.Point(deploy.Route{
			App: "shop", Hosts: []string{"shop.test"},
			Live:    deploy.Backend{Color: colorOf(release), Release: release},
			Preview: deploy.Backend{Color: colorOf(release - 1), Release: release - 1},
		})
	}
	if n := len(r.pools["shop"]); n != keptPools+2 {
		t.Errorf("%d releases are remembered, want %d", n, keptPools+2)
	}
	r.Remove("shop")
	if len(r.pools) != 0 || len(r.claims) != 0 {
		t.Errorf("the removed app is remembered: %d pools, %d hosts", len(r.pools), len(r.claims))
	}
}

// openEvents opens an event stream and reads its first event.
func openEvents(t *testing.T, c *http.Client, url string) (next func() error) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	next = func() error {
		_, err := io.ReadFull(resp.Body, make([]byte, len("data: x\n\n")))
		return err
	}
	if err := next(); err != nil {
		t.Fatal(err)
	}
	return next
}

func TestEventStreamsOutliveTheDrainAndEndWithTheGrace(t *testing.T) {
	for name, start := range map[string]func(testing.TB, int, http.HandlerFunc) deploy.Instance{"HTTP/1.1": startApp, "h2c": startH2C} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, Config{})
			old := start(t, 1, func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					io.WriteString(w, "data: x\n\n")
					w.(http.Flusher).Flush()
					select {
					case <-tick.C:
					case <-q.Context().Done():
						return
					}
				}
			})
			point := r.pointShop
			if name == "h2c" {
				point = r.pointH2C
			}
			point(old)
			const n = 20
			var nexts []func() error
			for range n {
				nexts = append(nexts, openEvents(t, r.client(), "http://shop.test/"))
			}
			if f := r.Figures("shop", 1); f.InFlight != 0 || f.Sockets != n {
				t.Errorf("figures are %+v", f)
			}
			point(start(t, 2, func(http.ResponseWriter, *http.Request) {}))
			began := time.Now()
			if cut := r.Drain(t.Context(), "shop", 1); cut != 0 || time.Since(began) > 5*time.Second {
				t.Errorf("the drain took %v and cut %d", time.Since(began), cut)
			}
			for i, next := range nexts {
				if err := next(); err != nil {
					t.Fatalf("stream %d ended with the drain: %v", i, err)
				}
			}
			began = time.Now()
			r.Release(t.Context(), "shop", 1)
			if took := time.Since(began); took < n*5*time.Millisecond {
				t.Errorf("%d streams were cut within %v", n, took)
			}
			for i, next := range nexts {
				deadline := time.Now().Add(10 * time.Second)
				for next() == nil { // what was on its way
					if time.Now().After(deadline) {
						t.Fatalf("stream %d outlived the release", i)
					}
				}
			}
			m := scrape(t, r.Router)
			if got := value(metric(m, "teal_drain_cuts_total", "app=shop color=blue kind=stream")); got != n {
				t.Errorf("%v streams are counted as cut", got)
			}
			eventually(t, "none is counted as open", func() bool { return r.Figures("shop", 1).Sockets == 0 })
		})
	}
}

func TestGRPCStreamOutlivesTheDrainAndEndsWithTheGrace(t *testing.T) {
	r := startRouter(t, Config{})
	blue, _, _ := startGRPC(t, 1)
	green, _, _ := startGRPC(t, 2)
	r.pointGRPC(blue)
	s, err := r.dialGRPC(t).FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	echoes := func() error {
		if err := s.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
			return err
		}
		_, err := s.Recv()
		return err
	}
	if err := echoes(); err != nil {
		t.Fatal(err)
	}
	r.pointGRPC(green)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if cut := r.Drain(ctx, "shop", 1); cut != 0 {
		t.Errorf("the drain cut %d", cut)
	}
	if err := echoes(); err != nil {
		t.Errorf("the stream ended with the drain: %v", err)
	}
	r.Release(t.Context(), "shop", 1)
	if err := echoes(); err == nil {
		t.Error("the stream outlived the release")
	}
}
