package prooftest

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/router"
)

// TestIdleConnectionsThatTheAppClosesAtRandomCostNoRequest: an app that closes
// or resets connections between two requests whenever it likes. In full:
// 100,000 requests, half of them POST.
func TestIdleConnectionsThatTheAppClosesAtRandomCostNoRequest(t *testing.T) {
	t.Parallel()
	const clients = 20
	each := scaled(250, 5000)
	w := startRouter(t, router.Limits{})
	l := newLedger()
	var ended atomic.Int64
	w.Point(routeTo("moody", 1, startConns(t, func(c net.Conn) { moody(c, l, &ended) }), "moody.test"))

	var wg sync.WaitGroup
	var failures, closed atomic.Int64
	var floor atomic.Int64
	for n := range clients {
		wg.Go(func() {
			k := kind{name: "GET"}
			if n%2 == 0 {
				k = kind{name: "POST", bodies: []int{10, 20_000}}
			}
			a := &asker{kind: k, id: fmt.Sprint(n), app: "moody", host: "moody.test", addr: w.plain, floor: &floor}
			defer a.close()
			for range each {
				if err := a.ask(); err != nil {
					failures.Add(1)
					t.Error(err)
				}
				pause(a.asked)
			}
			closed.Add(int64(a.ended))
		})
	}
	wg.Wait()
	l.judgePosts(t)
	t.Logf("%d requests, half of them POST, %d failed, %d POSTs delivered twice; the app closed %d idle connections, the router %d of its clients' in good order",
		clients*each, failures.Load(), len(l.twice), ended.Load(), closed.Load())
	if ended.Load() < int64(each/20) {
		t.Errorf("the app closed only %d connections", ended.Load())
	}
}

// pause lets connections get idle now and then: up to 2 s, at the age at which
// the app closes some of them.
func pause(asked int) {
	if asked%100 == 0 {
		<-time.After(time.Duration(rand.IntN(2000)) * time.Millisecond)
	}
}

// moody answers, and closes connections on which nothing is going on: some at
// once, some within milliseconds, some after up to 2 s, half of them by a reset.
func moody(c net.Conn, l *ledger, ended *atomic.Int64) {
	br := bufio.NewReader(c)
	for answered := 0; ; answered++ {
		if answered > 0 && rand.IntN(8) == 0 {
			patience := 2 * time.Millisecond
			if rand.IntN(2) == 0 {
				patience = 2 * time.Second
			}
			_ = c.SetReadDeadline(time.Now().Add(rand.N(patience)))
		}
		if _, err := br.Peek(1); err != nil {
			ended.Add(1)
			if rand.IntN(2) == 0 {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			return
		}
		_ = c.SetReadDeadline(time.Time{})
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		sum := crc32.NewIEEE()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			return
		}
		if r.Method == http.MethodPost {
			l.note(r.Header.Get("X-Id"))
		}
		said := answerText("moody", 1, r.Header.Get("X-Id"), int(n), sum.Sum32())
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
	}
}

// judgePosts fails the test for POSTs that came twice.
func (l *ledger) judgePosts(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.twice) > 0 {
		t.Errorf("%d POSTs were delivered twice: %.10q", len(l.twice), l.twice)
	}
}
