package prooftest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"teal/deploy"
	"teal/router"
)

// startSocketApp is a WebSocket app that says back what it hears, after its release.
func startSocketApp(t testing.TB, release int) string {
	return startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat.v2", "chat.v1"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, text, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, fmt.Appendf(nil, "%d %s", release, text)); err != nil {
				return
			}
		}
	})
}

// dialSocket opens a WebSocket of chat.test, over TLS or not.
func (w *world) dialSocket(ctx context.Context, secure bool) (*websocket.Conn, error) {
	url, addr := "ws://chat.test/ws", w.plain
	if secure {
		url, addr = "wss://chat.test/ws", w.secure
	}
	tr := &http.Transport{
		TLSClientConfig: anyTLS(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, Subprotocols: []string{"chat.v2"},
	})
	return c, err
}

// talk says n things and checks that each comes back from the release.
func talk(ctx context.Context, c *websocket.Conn, release, from, n int) error {
	for i := from; i < from+n; i++ {
		text := fmt.Sprint("line ", i)
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		_, said, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%d %s", release, text); string(said) != want {
			return fmt.Errorf("got %q, want %q", said, want)
		}
	}
	return nil
}

// TestEchoSessionLivesThroughPromotions over plain TCP and over TLS, with its
// subprotocol, and loses no line.
func TestEchoSessionLivesThroughPromotions(t *testing.T) {
	t.Parallel()
	w := startRouter(t, router.Limits{})
	w.Point(routeTo("chat", 1, startSocketApp(t, 1), "chat.test"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, secure := range []bool{false, true} {
		w.Point(routeTo("chat", 1, startSocketApp(t, 1), "chat.test"))
		c, err := w.dialSocket(ctx, secure)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if c.Subprotocol() != "chat.v2" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		talking := make(chan error, 1)
		go func() { talking <- talk(ctx, c, 1, 0, 2000) }()
		for release := 2; release <= 6; release++ {
			w.Point(routeTo("chat", release, startSocketApp(t, release), "chat.test"))
			if release > 2 { // the first one's sockets stay until its grace ends
				w.Release(ctx, "chat", release-1)
			}
			w.Drain(ctx, "chat", release-1)
		}
		if err := <-talking; err != nil {
			t.Errorf("TLS %t: %v", secure, err)
		}
		go w.Release(ctx, "chat", 1)
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("TLS %t: at the end of the grace: %v", secure, err)
		}
	}
}

// TestHalfCloseAndBytesBesideTheHandshakeSurviveTLS: what TestBytesBesideTheHandshakeAndHalfCloseAreKept
// in package router shows for plain TCP.
func TestHalfCloseAndBytesBesideTheHandshakeSurviveTLS(t *testing.T) {
	t.Parallel()
	w := startRouter(t, router.Limits{})
	w.Point(routeTo("chat", 1, startConns(t, func(c net.Conn) {
		head := make([]byte, 4096)
		n, _ := c.Read(head)
		_, early, _ := strings.Cut(string(head[:n]), "\r\n\r\n")
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi")
		rest, _ := io.ReadAll(c) // until the client has said its last
		_, _ = fmt.Fprintf(c, "heard %s%s", early, rest)
	}), "chat.test"))
	c, err := tls.Dial("tcp", w.secure, anyTLS("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly")
	_, _ = io.WriteString(c, "late")
	_ = c.CloseWrite()
	said, err := io.ReadAll(c)
	_, frames, _ := strings.Cut(string(said), "\r\n\r\n")
	if frames != "\x81\x02hiheard earlylate" {
		t.Errorf("got %q, %v", said, err)
	}
}

// TestFiveHundredSocketsLeaveWithoutAStorm: all get a close frame with 1001,
// evenly over CloseSpread, and so the clients, who come back at once, come evenly.
func TestFiveHundredSocketsLeaveWithoutAStorm(t *testing.T) {
	const sockets, slots, spread = 500, 10, 2 * time.Second
	w := startRouter(t, router.Limits{CloseSpread: spread})
	w.Point(routeTo("chat", 1, startSocketApp(t, 1), "chat.test"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var begun atomic.Int64 // unix nanoseconds
	var mu sync.Mutex
	var left, back []time.Duration
	var wg sync.WaitGroup
	var open []*websocket.Conn
	for range sockets {
		c, err := w.dialSocket(ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		open = append(open, c)
	}
	for i, c := range open {
		wg.Go(func() {
			_, _, err := c.Read(ctx)
			since := time.Duration(time.Now().UnixNano() - begun.Load())
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("socket %d ended with %v", i, err)
			}
			again, err := w.dialSocket(ctx, false)
			if err != nil {
				t.Errorf("socket %d can't come back: %v", i, err)
				return
			}
			defer again.CloseNow()
			if err := talk(ctx, again, 2, 0, 1); err != nil {
				t.Errorf("socket %d is back: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			left = append(left, since)
			back = append(back, time.Duration(time.Now().UnixNano()-begun.Load()))
		})
	}
	w.Point(routeTo("chat", 2, startSocketApp(t, 2), "chat.test"))
	stalled := watchForStalls()
	begun.Store(time.Now().UnixNano())
	w.Release(ctx, "chat", 1)
	wg.Wait()
	stall := stalled()
	if f := w.Figures(deploy.AppName("chat"), 1); f.Sockets != 0 {
		t.Errorf("the old release still has %d sockets", f.Sockets)
	}
	closes := histogram(left, spread/slots)
	t.Logf("closes per %s: %v; back again per %s: %v; last back after %s; this program stood still for up to %s", spread/slots, closes, spread/slots,
		histogram(back, spread/slots), slices.Max(back).Round(time.Millisecond), stall.Round(time.Millisecond))
	// What was sent while this program stood still is seen all at once.
	if most, limit := slices.Max(closes), 3*sockets*int(spread/slots+stall)/int(spread); most > limit {
		t.Errorf("%d of %d sockets left within %s, more than %d", most, sockets, spread/slots, limit)
	}
}

// watchForStalls measures, until the function that it gives is called, for how
// long this program got no processor.
func watchForStalls() (longest func() time.Duration) {
	const every = 5 * time.Millisecond
	done, longestSeen := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var most time.Duration
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				now := time.Now()
				last, most = now, max(most, now.Sub(last)-every)
			case <-done:
				longestSeen <- most
				return
			}
		}
	}()
	return func() time.Duration { close(done); return <-longestSeen }
}

// histogram counts how many fall into each slot.
func histogram(at []time.Duration, slot time.Duration) []int {
	counts := make([]int, slices.Max(at)/slot+1)
	for _, d := range at {
		counts[d/slot]++
	}
	return counts
}
