package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
)

// ledger notes every request that reached an app, by the id its client gave it.
type ledger struct{ seen sync.Map }

func (l *ledger) note(id string) (again bool) {
	_, again = l.seen.LoadOrStore(id, true)
	return again
}

// checkingApp answers with its release, and complains about duplicates and
// bodies that are not what the client says they are.
func checkingApp(t *testing.T, release int, l *ledger) deploy.Instance {
	return startApp(t, release, func(w http.ResponseWriter, r *http.Request) {
		if l.note(r.Header.Get("X-Test-Id")) {
			t.Errorf("request %s was delivered twice", r.Header.Get("X-Test-Id"))
		}
		body, err := io.ReadAll(r.Body)
		if want := r.Header.Get("X-Test-Length"); err != nil || strconv.Itoa(len(body)) != want {
			t.Errorf("release %d got a body of %d bytes, want %s (%v)", release, len(body), want, err)
		}
		fmt.Fprint(w, release)
	})
}

func TestSwitchUnderLoadLosesAndRepeatsNothing(t *testing.T) {
	r := startRouter(t, Config{})
	var l ledger
	apps := []deploy.Instance{checkingApp(t, 1, &l), checkingApp(t, 2, &l)}
	r.pointShop(apps[0])

	var live atomic.Int64 // the release that Point last returned for
	var moving atomic.Int64
	live.Store(1)
	moving.Store(1)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var done, wrong atomic.Int64
	bodies := [][]byte{nil, bytes.Repeat([]byte("a"), 700), bytes.Repeat([]byte("b"), 40<<10)}
	for n := range 50 {
		wg.Go(func() {
			client := r.client()
			for i := 0; ctx.Err() == nil; i++ {
				method, body := "GET", bodies[(n+i)%3]
				if body != nil {
					method = "POST"
				}
				req, _ := http.NewRequest(method, "http://shop.test/", bytes.NewReader(body))
				if len(body) > 1000 && i%2 == 0 {
					req.ContentLength = -1
				}
				req.Close = n%10 == 0
				req.Header.Set("X-Test-Id", fmt.Sprintf("%d-%d", n, i))
				req.Header.Set("X-Test-Length", strconv.Itoa(len(body)))
				settled := live.Load()
				resp, err := client.Do(req)
				if err != nil {
					t.Errorf("request failed: %v", err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("status %d, %v", resp.StatusCode, err)
					return
				}
				// If no Point was under way from before the request until now, one
				// release alone may have answered.
				if s := live.Load(); s == settled && moving.Load() == s && string(got) != strconv.FormatInt(s%2+(1-s%2)*2, 10) {
					wrong.Add(1)
				}
				done.Add(1)
			}
		})
	}
	for i := int64(2); i <= 23; i++ {
		before := done.Load()
		eventually(t, "requests flow", func() bool { return done.Load() > before+60 })
		moving.Store(i)
		r.pointShop(apps[(i-1)%2])
		live.Store(i)
		old := int((i-1)%2 + (1-(i-1)%2)*2)
		drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if cut := r.Drain(drain, "shop", old); cut != 0 {
			t.Errorf("switch %d cut %d requests", i, cut)
		}
		cancel()
		if n := r.Figures("shop", old).InFlight; n != 0 {
			t.Errorf("%d in flight on the old release after the drain", n)
		}
	}
	stop()
	wg.Wait()
	if wrong.Load() != 0 {
		t.Errorf("%d requests were answered by the old color after the switch", wrong.Load())
	}
	one, two := r.Figures("shop", 1), r.Figures("shop", 2)
	if total := one.Requests + two.Requests; total != uint64(done.Load()) || one.Failed+two.Failed != 0 {
		t.Errorf("counted %d requests and %d failed, want %d and 0", total, one.Failed+two.Failed, done.Load())
	}
	t.Logf("%d requests over 22 switches", done.Load())
}
