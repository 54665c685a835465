package router

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/deploy"
)

func TestHeadTooLargeIsA431(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, func(http.ResponseWriter, *http.Request) {}))
	c := dialRaw(t, r.plain)
	go io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Long: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != 431 {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{ReadHeader: 100 * time.Millisecond}})
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.1\r\nHost: shop")
	c.expectCutOff()
}

func TestIdleClientIsCutOff(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Idle: 2 * time.Second}})
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
	c.answer("GET")
	c.expectCutOff()
}

// expectCutOff expects that nothing more is said, and that the router ends the
// connection: by a reset if there was something that it had not read yet.
func (c *talk) expectCutOff() {
	c.t.Helper()
	if _, err := c.br.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Errorf("got %v", err)
	}
}

func TestRequestsBeyondTheLimitAreToldToComeBack(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{MaxInFlight: 3}})
	in, started, finish := slowApp(t, 1)
	r.pointShop(in)
	r.Point(deploy.Route{App: "other", Hosts: []string{"other.test"}, Live: backendOf(
		startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }))})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { get(t, r.client(), "http://shop.test/") })
		<-started
	}
	resp, err := r.client().Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if status, body := get(t, r.client(), "http://other.test/"); status != 200 || body != "fine" {
		t.Errorf("the other app answers %d %q", status, body)
	}
	close(finish)
	wg.Wait()
	if f := r.Figures("shop", 1); f.Requests != 4 || f.Failed != 1 || f.InFlight != 0 {
		t.Errorf("figures %+v", f)
	}
}

func TestPreviewShowsTheOtherReleaseToThoseWhoMaySeeIt(t *testing.T) {
	r := startRouter(t, Config{PreviewAllowed: func(r *http.Request) bool {
		ok := r.Header.Get("Authorization") == "Bearer good"
		r.Header.Del("Authorization")
		if !ok && r.Header.Get("X-Test") != "" {
			r.Header.Set("Authorization", "x")
		}
		return ok
	}})
	one := startApp(t, 1, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "one") })
	two := startApp(t, 2, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "two"+r.Header.Get("Authorization"))
	})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(one), Preview: backendOf(two)})
	ask := func(header, value string) (*http.Response, string) {
		req, _ := http.NewRequest("GET", "http://shop.test/", nil)
		req.Header.Set(header, value)
		resp, err := clientTo(t, r.preview).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	if resp, body := ask("Authorization", "Bearer good"); resp.StatusCode != 200 || body != "two" || resp.Header.Get("X-Robots-Tag") != "noindex" {
		t.Errorf("allowed: %d %q %v", resp.StatusCode, body, resp.Header)
	}
	for header, value := range map[string]string{"Accept": "text/html", "Cookie": "session=x", "Authorization": "Basic eDp5"} {
		resp, _ := ask(header, value)
		if asks := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.HasPrefix(asks, `Basic realm="preview"`) {
			t.Errorf("a stranger with %s: %d %q", header, resp.StatusCode, asks)
		}
	}
	if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "one" {
		t.Errorf("production: %d %q", status, body)
	}
}

func TestDurationsFallIntoTheirBuckets(t *testing.T) {
	for d := time.Microsecond; d < 20*time.Hour; d += d/7 + 1 {
		b := bucketOf(d)
		if m := middleOf(b); m < d*9/10-time.Microsecond || m > d*11/10+time.Microsecond {
			t.Fatalf("%v is shown as %v", d, m)
		}
	}
	if bucketOf(-1) != 0 || bucketOf(1000*time.Hour) != buckets-1 {
		t.Error("durations out of range have no bucket")
	}
}

func TestP99IsOfAboutTheLastMinute(t *testing.T) {
	var f figures
	at := int64(100 * halfMinute)
	for i := range 1000 {
		d := 2 * time.Millisecond
		if i%50 == 0 {
			d = 300 * time.Millisecond
		}
		f.took(at, d)
	}
	if p := f.lately(at).percentile(99); p < 280 || p > 320 {
		t.Errorf("p99 %v, want about 300", p)
	}
	if p := f.lately(at + int64(halfMinute)).percentile(99); p < 280 {
		t.Errorf("half a minute later it is %v", p)
	}
	if p := f.lately(at + 2*int64(halfMinute)).percentile(99); p != 0 {
		t.Errorf("a minute later it is %v", p)
	}
	f.took(at+2*int64(halfMinute), time.Millisecond)
	if p := f.lately(at + 2*int64(halfMinute)).percentile(99); p < 0.9 || p > 1.1 {
		t.Errorf("of one request it is %v", p)
	}
}

// lines collects an access log.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			return 0, err
		}
		l.all = append(l.all, m)
	}
	return len(p), nil
}

func TestAccessLogHasALinePerRequest(t *testing.T) {
	var log lines
	r := startRouter(t, Config{AccessLog: &log})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	get(t, r.client(), "http://shop.test/a%22b?token=secret")
	get(t, r.client(), "http://nobody.test/")
	r.pointShop(deadInstance(t, 1))
	get(t, r.client(), "http://shop.test/")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range log.all {
		app, _ := m["app"].(string)
		fault, _ := m["error"].(string)
		got = append(got, strings.Join([]string{m["host"].(string), m["path"].(string), app, string(rune('0' + int(m["status"].(float64))/100)), fault}, " "))
		if m["request_id"] == "" || m["client"] != "127.0.0.1" || m["duration"] == nil {
			t.Errorf("line %v", m)
		}
	}
	slices.Sort(got)
	if len(got) != 3 || got[0] != "nobody.test /  4 " || !strings.HasPrefix(got[1], "shop.test / shop 5 no connection") || got[2] != "shop.test /a%22b shop 2 " {
		t.Errorf("lines %q", got)
	}
}

func TestServeLetsRequestsInFlightEnd(t *testing.T) {
	r := startRouter(t, Config{})
	in, started, finish := slowApp(t, 1)
	r.pointShop(in)
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, r.client(), "http://shop.test/")
		answered <- body
	}()
	<-started
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	eventually(t, "the port is closed", func() bool {
		c, err := net.Dial("tcp", r.plain)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(finish)
	if body := <-answered; body != "done" {
		t.Errorf("got %q", body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeCutsWhatDoesNotEnd(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Shutdown: 100 * time.Millisecond}})
	in, started, finish := slowApp(t, 1)
	defer close(finish)
	r.pointShop(in)
	broken := make(chan error, 1)
	go func() {
		resp, err := r.client().Get("http://shop.test/")
		if err == nil {
			resp.Body.Close()
		}
		broken <- err
	}()
	<-started
	start := time.Now()
	if err := r.stop(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("took %v, %v", time.Since(start), err)
	}
	if <-broken == nil {
		t.Error("the request was answered")
	}
}

func TestServeTellsOfAListenerThatFails(t *testing.T) {
	r := New(Config{})
	l := listen(t)
	l.Close()
	err := r.Serve(t.Context(), Listeners{Production: []net.Listener{l}, Preview: []net.Listener{listen(t)}})
	if err == nil || !strings.Contains(err.Error(), "cannot accept connections") {
		t.Errorf("got %v", err)
	}
	if err := New(Config{}).Serve(t.Context(), Listeners{ProductionTLS: []net.Listener{l}}); err == nil {
		t.Error("TLS without a certificate is served")
	}
}

func TestStatsTellWhatRuns(t *testing.T) {
	r := startRouter(t, Config{})
	in, started, finish := slowApp(t, 3)
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test", "*.shop.test"}, Live: backendOf(in)})
	r.Point(deploy.Route{App: "alpha"})
	done := make(chan struct{})
	go func() { defer close(done); get(t, r.client(), "http://a.shop.test/") }()
	<-started
	stats := r.Stats()
	if len(stats) != 2 || stats[0].App != "alpha" || stats[0].Live.Release != 0 {
		t.Fatalf("stats %+v", stats)
	}
	live := stats[1].Live
	if live.Color != deploy.Blue || live.Release != 3 || live.Figures.InFlight != 1 || len(live.Instances) != 1 ||
		live.Instances[0].InFlight != 1 || live.Instances[0].Requests != 1 || live.Instances[0].Addr != in.Addr.String() {
		t.Errorf("live %+v", live)
	}
	close(finish)
	<-done
	eventually(t, "the connection is idle", func() bool { return r.Stats()[1].Live.Instances[0].Idle == 1 })
}

func TestPanicInTheRouterEndsOneRequestOnly(t *testing.T) {
	r := startRouter(t, Config{PreviewAllowed: func(r *http.Request) bool {
		if r.URL.Path == "/panic" {
			panic("a bug")
		}
		return true
	}})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Preview: backendOf(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}))})
	if resp, err := clientTo(t, r.preview).Get("http://shop.test/panic"); err == nil {
		resp.Body.Close()
		t.Errorf("got %d", resp.StatusCode)
	}
	if status, _ := get(t, clientTo(t, r.preview), "http://shop.test/"); status != 200 {
		t.Errorf("the next request got %d", status)
	}
}
