package prooftest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestSoakEndsWhereItBegan: requests of every kind, promotions, WebSockets,
// event streams, and clients who misbehave; then the router's process uses what it used before.
// In full: 10 minutes.
func TestSoakEndsWhereItBegan(t *testing.T) {
	if !*full {
		t.Parallel()
	}
	length := scaled(4*time.Second, *soak)
	r := startRemote(t)
	apps := []*promoted{newPromoted(t, r, "shop", nil), newPromoted(t, r, "blog", nil)}
	r.point(routeTo("chat", 1, startSocketApp(t, 1), "chat.test"))
	r.point(routeTo("news", 1, startHandler(t, tellNews), "news.test"))

	idle := r.measure()
	soakFor(t, r, apps, scaled(time.Second, 20*time.Second)) // what is made once is made here
	baseline := r.settled(idle)
	t.Logf("baseline: %s", baseline)
	asked, promotions := soakFor(t, r, apps, length)
	end := r.settled(baseline)
	t.Logf("after %s, %d requests and %d promotions: %s", length, asked, promotions, end)
	if end.Goroutines > baseline.Goroutines+2 || end.Descriptors > baseline.Descriptors+2 {
		t.Errorf("goroutines or descriptors are left: %s, at first %s", end, baseline)
	}
	// The race detector's own memory makes the small proof's RSS mean nothing.
	if end.Heap > baseline.Heap+2<<20 || *full && end.RSS > baseline.RSS+slack {
		t.Errorf("memory is left: %s, at first %s", end, baseline)
	}
}

// settled waits until the router uses no more goroutines and descriptors than
// before, or does not let go of them for 20 s, which is longer than it keeps
// idle connections to apps.
func (r *remote) settled(before measure) measure {
	now := r.measure()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); now = r.measure() {
		if now.Goroutines <= before.Goroutines && now.Descriptors <= before.Descriptors {
			break
		}
		<-time.After(200 * time.Millisecond)
	}
	return now
}

// soakFor runs the whole mix, and promotes an app every other second.
func soakFor(t *testing.T, r *remote, apps []*promoted, length time.Duration) (asked int64, promotions int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	load := startAskers(r, apps)
	var others sync.WaitGroup
	others.Go(func() { listenToNews(ctx, t, r.plain) })
	for range 5 {
		others.Go(func() { chat(ctx, t, r) })
		others.Go(func() { misbehave(ctx, r.plain) })
	}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for ctx.Err() == nil && !load.broken() {
		select {
		case <-tick.C:
			apps[promotions%len(apps)].promote(t)
			promotions++
		case <-ctx.Done():
		}
	}
	load.stop()
	others.Wait()
	for i, err := range load.failures {
		if i < 10 {
			t.Error(err)
		}
	}
	return load.answered.Load(), promotions
}

// chat opens sockets and says something on them; every other one is left
// without a goodbye.
func chat(ctx context.Context, t *testing.T, r *remote) {
	w := &world{plain: r.plain, secure: r.secure}
	for n := 0; ctx.Err() == nil; n++ {
		c, err := w.dialSocket(ctx, n%4 == 0)
		if err == nil {
			err = talk(ctx, c, 1, 0, 50)
			if n%2 == 0 {
				_ = c.Close(websocket.StatusNormalClosure, "")
			} else {
				_ = c.CloseNow()
			}
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("socket %d: %v", n, err)
			return
		}
	}
}

const newsItems = 20

// tellNews is an app of one event stream.
func tellNews(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := range newsItems {
		_, _ = fmt.Fprintf(w, "data: %d\n\n", n)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// listenToNews reads the stream to its end, and every other time leaves in the middle.
func listenToNews(ctx context.Context, t *testing.T, addr string) {
	var d net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }}
	defer tr.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		if err := hearNews(ctx, tr, newsItems/(1+n%2)); err != nil && ctx.Err() == nil {
			t.Errorf("event stream %d: %v", n, err)
			return
		}
	}
}

func hearNews(ctx context.Context, tr *http.Transport, items int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://news.test/", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for n := range items {
		var got int
		if _, err := fmt.Fscanf(resp.Body, "data: %d\n\n", &got); err != nil || got != n {
			return fmt.Errorf("item %d is %d: %w", n, got, err)
		}
	}
	if items == newsItems {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return err
}

// misbehaviors are what clients do that don't mean well, or have lost their network.
var misbehaviors = []string{
	"GET / HTTP/1.1\r\nHost: shop.te",
	"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"GET " + largePath + " HTTP/1.1\r\nHost: shop.test\r\n\r\n", // left in the middle
	"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\nonly the beginning",
	"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
	"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: shop.test\r\nX: " + string(make([]byte, 100)) + "\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x04\x00\x00\x00\x00\x00",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}

// misbehave says one of them and goes, at once, after a while, or after an answer.
func misbehave(ctx context.Context, addr string) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		_, _ = io.WriteString(c, misbehaviors[rand.IntN(len(misbehaviors))])
		_ = c.SetReadDeadline(time.Now().Add(rand.N(50 * time.Millisecond)))
		_, _ = c.Read(make([]byte, 100))
		if rand.IntN(2) == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	}
}
