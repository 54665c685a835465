package router

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"teal/deploy"
)

// echoApp is a WebSocket app that says back what it hears, after its name.
func echoApp(t testing.TB, release int, name string) deploy.Instance {
	return startApp(t, release, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, name)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat.v2"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, append([]byte(name+": "), data...)); err != nil {
				return
			}
		}
	})
}

func (r *testRouter) socket(protocols ...string) *websocket.Conn {
	r.t.Helper()
	c, _, err := websocket.Dial(r.t.Context(), "ws://shop.test/ws", &websocket.DialOptions{HTTPClient: r.client(), Subprotocols: protocols})
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	r.t.Cleanup(func() { c.CloseNow() })
	return c
}

func echo(t *testing.T, c *websocket.Conn, text, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	_, data, err := c.Read(ctx)
	if err != nil || string(data) != want {
		t.Fatalf("got %d bytes %.40q, %v; want %.40q", len(data), data, err, want)
	}
}

func TestSocketLivesThroughASwitchAndIsToldToLeave(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(echoApp(t, 1, "one"))
	c := r.socket("chat.v2")
	if c.Subprotocol() != "chat.v2" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	echo(t, c, "hello", "one: hello")
	r.pointShop(echoApp(t, 2, "two"))
	drained := make(chan struct{})
	go func() { defer close(drained); r.Drain(t.Context(), "shop", 1) }()
	within(t, "a drain with an open socket", drained)
	big := strings.Repeat("x", 200<<10)
	echo(t, c, big, "one: "+big)
	if f := r.Figures("shop", 1); f.Sockets != 1 || f.InFlight != 0 {
		t.Errorf("figures of the old release %+v", f)
	}
	echo(t, r.socket(), "hello", "two: hello")

	go r.Release(t.Context(), "shop", 1)
	_, _, err := c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the socket ended with %v", err)
	}
	eventually(t, "the socket is gone", func() bool { return r.Figures("shop", 1).Sockets == 0 })
	if f := r.Figures("shop", 2); f.Sockets != 1 {
		t.Errorf("figures of the new release %+v", f)
	}
}

func TestManySocketsAreToldToLeaveOverTime(t *testing.T) {
	const spread, n = 500 * time.Millisecond, 100
	r := startRouter(t, Config{Limits: Limits{CloseSpread: spread}})
	r.pointShop(echoApp(t, 1, "one"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var left []time.Time // in order
	for range n {
		c := r.socket()
		wg.Go(func() {
			_, _, err := c.Read(t.Context())
			mu.Lock()
			defer mu.Unlock()
			left = append(left, time.Now())
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("a socket ended with %v", err)
			}
		})
	}
	start := time.Now()
	r.Release(t.Context(), "shop", 1)
	wg.Wait()
	for i, at := range left {
		if turn := time.Duration(i) * spread / n; at.Sub(start) < turn-time.Millisecond {
			t.Errorf("socket %d left after %v, before its turn at %v", i, at.Sub(start), turn)
		}
	}
	if f := r.Figures("shop", 1); f.Sockets != 0 {
		t.Errorf("figures %+v", f)
	}
}

func TestReleaseSpreadsWhatItEndsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n, step := range map[int]time.Duration{5: 10 * time.Millisecond, 400: 5 * time.Millisecond} {
			r := &testRouter{Router: New(Config{Limits: Limits{CloseSpread: 2 * time.Second}}), t: t}
			r.pointShop(instanceAt(1, "127.0.0.1:1"))
			var cuts []time.Duration
			start := time.Now()
			streams := r.pool("shop", 1).streams.all
			for range n {
				streams[&eventStream{cut: func() { cuts = append(cuts, time.Since(start)) }}] = struct{}{}
			}
			r.Release(t.Context(), "shop", 1)
			for i, at := range cuts {
				if want := time.Duration(i) * step; at != want {
					t.Fatalf("of %d streams number %d ended after %v, want %v", n, i, at, want)
				}
			}
			if len(cuts) != n {
				t.Errorf("%d of %d streams ended", len(cuts), n)
			}
		}
	})
}

// rawSocketApp accepts the upgrade and hands the connection over.
func rawSocketApp(t *testing.T, serve func(net.Conn, *bufio.Reader)) deploy.Instance {
	return startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi")
		serve(c, br)
	})
}

const handshake = "GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestBytesBesideTheHandshakeAndHalfCloseAreKept(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(rawSocketApp(t, func(c net.Conn, br *bufio.Reader) {
		heard, _ := io.ReadAll(br) // until the client has said its last
		c.Write(append([]byte("heard "), heard...))
	}))
	c := dialRaw(t, r.plain)
	c.say(handshake + "early")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	c.say("late")
	c.Conn.(*net.TCPConn).CloseWrite()
	rest, err := io.ReadAll(c.br)
	if string(rest) != "\x81\x02hiheard earlylate" {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestCloseFrameWaitsForTheEndOfAFrame(t *testing.T) {
	r := startRouter(t, Config{})
	goOn := make(chan struct{})
	r.pointShop(rawSocketApp(t, func(c net.Conn, _ *bufio.Reader) {
		io.WriteString(c, "\x82\x7e\x01\x00half")
		<-goOn
		io.WriteString(c, strings.Repeat("y", 252)+"\x81\x04more")
		io.Copy(io.Discard, c)
	}))
	c := dialRaw(t, r.plain)
	c.say(handshake)
	http.ReadResponse(c.br, nil)
	begun := make([]byte, 4+8)
	io.ReadFull(c.br, begun)
	released := make(chan struct{})
	go func() { defer close(released); r.Release(t.Context(), "shop", 1) }()
	eventually(t, "the socket is leaving", func() bool {
		for _, open := range r.pool("shop", 1).openTunnels() {
			return open.leaving()
		}
		return false
	})
	close(goOn)
	rest := make([]byte, 252+4)
	if _, err := io.ReadFull(c.br, rest); err != nil || string(rest) != strings.Repeat("y", 252)+"\x88\x02\x03\xe9" {
		t.Errorf("after the frame came %q, %v", rest[min(len(rest), 248):], err)
	}
	c.Close()
	within(t, "the release", released)
}

func TestRefusedUpgradeIsAnOrdinaryAnswer(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no sockets", http.StatusForbidden) }))
	_, resp, err := websocket.Dial(t.Context(), "ws://shop.test/", &websocket.DialOptions{HTTPClient: r.client()})
	if err == nil || resp == nil || resp.StatusCode != 403 {
		t.Fatal(resp, err)
	}
	body, _ := io.ReadAll(resp.Body)
	if !strings.HasPrefix(string(body), "no sockets") {
		t.Errorf("got %q", body)
	}
}

func TestHandshakeFieldsKeepTheirSpelling(t *testing.T) {
	r := startRouter(t, Config{})
	heads := make(chan []string, 10)
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		head, _ := readHead(br)
		heads <- head
	}))
	c := dialRaw(t, r.plain)
	c.say(handshake)
	c.answer("GET")
	head := strings.Join(<-heads, "\n")
	for _, want := range []string{"\nConnection: Upgrade\nUpgrade: websocket", "\nSec-WebSocket-Key: dGhl", "\nSec-WebSocket-Version: 13"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
}

func TestSwitchOfProtocolsUnaskedIsABrokenAnswer(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(rawSocketApp(t, func(net.Conn, *bufio.Reader) {}))
	if status, _ := get(t, r.client(), "http://shop.test/"); status != 502 {
		t.Errorf("status %d", status)
	}
}

func TestSocketsBeyondTheLimitAreRefused(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{MaxSockets: 2}})
	r.pointShop(echoApp(t, 1, "one"))
	one, two := r.socket(), r.socket()
	_, resp, err := websocket.Dial(t.Context(), "ws://shop.test/", &websocket.DialOptions{HTTPClient: r.client()})
	if err == nil || resp.StatusCode != 503 {
		t.Fatal(resp, err)
	}
	echo(t, one, "a", "one: a")
	echo(t, two, "b", "one: b")
}

func TestServeEndsWithOpenSockets(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(echoApp(t, 1, "one"))
	c := r.socket()
	echo(t, c, "a", "one: a")
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	_, _, err := c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the socket ended with %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSocketsOpenedAfterARollbackOutliveTheRelease: going back to a release
// whose sockets are still being told to leave brings it new ones.
func TestSocketsOpenedAfterARollbackOutliveTheRelease(t *testing.T) {
	r := startRouter(t, Config{})
	one, two := echoApp(t, 1, "one"), echoApp(t, 2, "two")
	r.pointShop(one)
	silent := dialRaw(t, r.plain) // never says goodbye: it is cut at the end of its grace
	silent.say(handshake)
	http.ReadResponse(silent.br, nil)
	eventually(t, "a socket is open", func() bool { return r.Figures("shop", 1).Sockets == 1 })
	r.pointShop(two)
	released := make(chan struct{})
	go func() { defer close(released); r.Release(t.Context(), "shop", 1) }()
	io.ReadFull(silent.br, make([]byte, 4)) // the close frame
	r.pointShop(one)
	c := r.socket()
	echo(t, c, "hello", "one: hello")
	within(t, "the release", released)
	echo(t, c, "still here", "one: still here")
}

// TestSocketsAreLoggedAsWhatTheyAskedFor: the buffer that a socket's request
// was read into is another client's by the time its line is written.
func TestSocketsAreLoggedAsWhatTheyAskedFor(t *testing.T) {
	var log lines
	r := startRouter(t, Config{AccessLog: &log})
	r.pointShop(echoApp(t, 1, "one"))
	var open []*websocket.Conn
	for range 20 {
		open = append(open, r.socket())
	}
	other := r.client()
	for _, c := range open {
		get(t, other, "http://shop.test/secrets-of-somebody-else")
		c.CloseNow()
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if len(log.all) != 2*len(open) {
		t.Errorf("%d lines, want %d", len(log.all), 2*len(open))
	}
	for _, line := range log.all {
		if path, status := line["path"], line["status"]; status == 101.0 && path != "/ws" || line["host"] != "shop.test" {
			t.Errorf("a line of a socket says %v", line)
		}
	}
}

func TestFramesAreFollowedHoweverTheyAreCut(t *testing.T) {
	stream := []byte("\x81\x00" + "\x81\x05hello" + "\x81\x85mask12345" + "\x82\x7e\x00\x80" + strings.Repeat("a", 128) +
		"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("b", 65536) + "\x89\x00")
	var ends []int
	for size := 1; size < 40; size += 3 {
		var f frames
		var at []int
		for i := 0; i < len(stream); {
			end := min(i+size, len(stream))
			if f.advance(stream[i:end], false) != end-i {
				t.Fatal("bytes were left")
			}
			i = end
			if size == 1 && f.atBoundary() {
				at = append(at, i)
			}
		}
		if !f.atBoundary() {
			t.Errorf("in pieces of %d the end is no boundary", size)
		}
		if size == 1 {
			ends = at
		}
	}
	if want := []int{2, 9, 20, 152, 65698, 65700}; len(ends) != len(want) || ends[4] != want[4] {
		t.Errorf("boundaries at %v, want %v", ends, want)
	}
	var f frames
	f.advance(stream[:4], false)
	if n := f.advance(stream[4:], true); n != 5 {
		t.Errorf("the next boundary is after %d bytes, want 5", n)
	}
	if n := f.advance(stream[9:], true); n != 0 {
		t.Errorf("at a boundary it takes %d bytes", n)
	}
}
