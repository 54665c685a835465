package router

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// moodyApp answers each request and closes idle connections at random.
func moodyApp(t *testing.T, l *ledger) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		for answered := 0; ; answered++ {
			if answered > 0 && rand.IntN(10) == 0 {
				// Closes at any time of the next milliseconds unless a request is being read.
				c.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(3000)) * time.Microsecond))
			}
			if _, err := br.Peek(1); err != nil {
				return
			}
			c.SetReadDeadline(time.Time{})
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			if l.note(r.Header.Get("X-Test-Id")) && r.Method == "POST" {
				t.Errorf("POST %s was delivered twice", r.Header.Get("X-Test-Id"))
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
}

func TestConnectionsThatTheAppClosesReachNoUser(t *testing.T) {
	r := startRouter(t, Config{})
	var l ledger
	r.pointShop(startRaw(t, 1, moodyApp(t, &l)))
	var wg sync.WaitGroup
	var bad atomic.Int64
	for n := range 10 {
		wg.Go(func() {
			client := r.client()
			for i := range 1000 {
				method, body := "GET", ""
				if (n+i)%2 == 0 {
					method, body = "POST", "some text"
				}
				req, _ := http.NewRequest(method, "http://shop.test/", strings.NewReader(body))
				req.Header.Set("X-Test-Id", fmt.Sprintf("%d-%d", n, i))
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if bad.Load() != 0 {
		t.Errorf("%d of 10000 requests failed", bad.Load())
	}
	if f := r.Figures("shop", 1); f.Requests != 10000 || f.Failed != 0 {
		t.Errorf("figures %+v", f)
	}
}

func TestUnansweredRequestIsSentAgainOnlyIfThatIsHarmless(t *testing.T) {
	for _, c := range []struct {
		method, body string
		deliveries   int64
	}{
		{"GET", "", 2},
		{"HEAD", "", 2},
		{"OPTIONS", "", 2},
		{"POST", "x", 1},
		{"POST", "", 1},
		{"PUT", "x", 1},
		{"DELETE", "", 1},
		{"GET", "x", 1},
		{"POST", strings.Repeat("x", 100<<10), 1},
	} {
		t.Run(fmt.Sprint(c.method, len(c.body)), func(t *testing.T) {
			r := startRouter(t, Config{})
			var delivered atomic.Int64
			r.pointShop(startRaw(t, 1, func(_ net.Conn, br *bufio.Reader) {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				delivered.Add(1) // and closes without an answer
			}))
			req, _ := http.NewRequest(c.method, "http://shop.test/", strings.NewReader(c.body))
			resp, err := r.client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 502 || delivered.Load() != c.deliveries {
				t.Errorf("status %d after %d deliveries, want 502 after %d", resp.StatusCode, delivered.Load(), c.deliveries)
			}
		})
	}
}

func TestConnectionThatSpeaksUnaskedIsNotUsedAgain(t *testing.T) {
	r := startRouter(t, Config{})
	spoke := make(chan struct{}, 10)
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			time.AfterFunc(time.Millisecond, func() {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				spoke <- struct{}{}
			})
		}
	}))
	for range 5 {
		if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "ok" {
			t.Fatalf("got %d %q", status, body)
		}
		<-spoke
	}
}

func TestTrustTakesProofAndEndsWithAnEarlyDeath(t *testing.T) {
	var tr trust
	if tr.allows(0, 0) {
		t.Error("an instance is trusted without proof")
	}
	tr.lived(100 * time.Millisecond)
	if tr.allows(0, 0) {
		t.Error("a connection that lived a tenth of a second is proof")
	}
	tr.lived(time.Second)
	if !tr.allows(0, 0) || tr.allows(0, time.Second) {
		t.Error("proof does not allow young connections, or allows old ones")
	}
	tr.died(0, 5*time.Second)
	if !tr.allows(0, 0) {
		t.Error("a death of old age costs the trust")
	}
	tr.died(0, time.Second)
	if tr.allows(1, 0) || !tr.allows(int64(waryFor)+1, 0) {
		t.Error("an early death does not cost the trust for a while")
	}
}

func TestRepeatableRequestsShareConnections(t *testing.T) {
	r := startRouter(t, Config{})
	var conns atomic.Int64
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		conns.Add(1)
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}))
	client := r.client()
	for range 50 {
		get(t, client, "http://shop.test/")
	}
	if conns.Load() != 1 {
		t.Errorf("50 requests in a row took %d connections", conns.Load())
	}
}

func TestPostsShareConnectionsOnceTheAppIsTrusted(t *testing.T) {
	r := startRouter(t, Config{})
	var conns atomic.Int64
	in := startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		conns.Add(1)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	r.pointShop(in)
	client := r.client()
	post := func() {
		resp, err := client.Post("http://shop.test/", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	post()
	post()
	if conns.Load() != 2 {
		t.Errorf("two POSTs took %d connections of an app not known yet", conns.Load())
	}
	known := r.pool("shop", 1).known()[0]
	eventually(t, "the app is trusted", known.trust.proven.Load)
	for range 20 {
		post()
	}
	if conns.Load() > 4 {
		t.Errorf("22 POSTs took %d connections", conns.Load())
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{UpstreamIdle: 200 * time.Millisecond}})
	closed := make(chan struct{})
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		readHead(br)
		close(closed)
	}))
	get(t, r.client(), "http://shop.test/")
	within(t, "closing the idle connection", closed)
}
