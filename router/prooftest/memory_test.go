package prooftest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slack is how much the router's memory may grow by what a proof calls flat.
const slack = 24 << 20

// TestMemoryIsFlatWhileALargeBodyPasses up and down, over plain TCP and over
// TLS. In full: 10 GB each.
func TestMemoryIsFlatWhileALargeBodyPasses(t *testing.T) {
	size := int64(scaled(100<<20, 10<<30))
	r := startRemote(t)
	r.point(routeTo("large", 1, startHandler(t, func(w http.ResponseWriter, q *http.Request) {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, q.Body, make([]byte, 256<<10))
		if err != nil {
			return
		}
		if q.Method == http.MethodPost {
			_, _ = fmt.Fprint(w, n)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	}), "large.test"))
	for _, secure := range []bool{false, true} {
		for _, upload := range []bool{true, false} {
			name := map[bool]string{true: "TLS, ", false: "plain, "}[secure] + map[bool]string{true: "up", false: "down"}[upload]
			t.Run(name, func(t *testing.T) {
				a := &asker{kind: kind{secure: secure}, addr: r.plain}
				if secure {
					a.addr = r.secure
				}
				if err := a.dial(); err != nil {
					t.Fatal(err)
				}
				defer a.close()
				before := r.rss()
				most, stop := highestOf(r.rss)
				began := time.Now()
				passLarge(t, a, size, upload)
				took := time.Since(began)
				stop()
				t.Logf("%.1f GB in %s (%.0f MB/s): RSS %.1f MB before, %.1f MB at most", float64(size)/1e9, took.Round(time.Millisecond),
					float64(size)/1e6/took.Seconds(), float64(before)/1e6, float64(most.Load())/1e6)
				if most.Load() > before+slack {
					t.Errorf("memory grew by %d MB", (most.Load()-before)>>20)
				}
			})
		}
	}
}

// passLarge sends or gets the body and checks that all of it passed.
func passLarge(t *testing.T, a *asker, size int64, upload bool) {
	t.Helper()
	_ = a.conn.SetDeadline(time.Now().Add(10 * time.Minute))
	if upload {
		_, _ = fmt.Fprintf(a.conn, "POST / HTTP/1.1\r\nHost: large.test\r\nContent-Length: %d\r\n\r\n", size)
		buf := make([]byte, 256<<10)
		for left := size; left > 0; {
			n, err := a.conn.Write(buf[:min(left, int64(len(buf)))])
			if err != nil {
				t.Fatal(err)
			}
			left -= int64(n)
		}
	} else {
		_, _ = io.WriteString(a.conn, "GET / HTTP/1.1\r\nHost: large.test\r\n\r\n")
	}
	resp, err := http.ReadResponse(a.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if upload {
		said, _ := io.ReadAll(resp.Body)
		if string(said) != strconv.FormatInt(size, 10) {
			t.Errorf("the app says that %q bytes came, of %d", said, size)
		}
		return
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	if n != size || err != nil {
		t.Errorf("%d of %d bytes came: %v", n, size, err)
	}
}

// TestMemoryIsFlatWhileClientsIdle: connections that have asked once stay open
// and silent. In full: 10,000 for a minute.
func TestMemoryIsFlatWhileClientsIdle(t *testing.T) {
	if !*full {
		t.Parallel()
	}
	n, pause := scaled(500, 10_000), scaled(time.Second, time.Minute)
	r := startRemote(t)
	var floor atomic.Int64
	l := newLedger()
	r.point(routeTo("shop", 1, startInstance(t, "shop", 1, l).addr, "shop.test"))
	before := r.measure()
	var open []*asker
	defer func() {
		for _, a := range open {
			a.close()
		}
	}()
	for i := range n {
		a := &asker{kind: kind{name: "idle"}, id: fmt.Sprint(i), app: "shop", host: "shop.test", addr: r.plain, floor: &floor}
		open = append(open, a)
		if err := a.ask(); err != nil {
			t.Fatal(err)
		}
	}
	opened := r.measure()
	most, stop := highestOf(r.rss)
	<-time.After(pause)
	stop()
	after := r.measure()
	t.Logf("before: %s", before)
	t.Logf("with %d idle clients: %s: %.1f KB each", n, opened, float64(opened.RSS-before.RSS)/float64(n)/1e3)
	t.Logf("%s later: %s; RSS %.1f MB at most", pause, after, float64(most.Load())/1e6)
	if most.Load() > opened.RSS+slack/4 {
		t.Errorf("memory grew by %d MB while clients idled", (most.Load()-opened.RSS)>>20)
	}
	var wg sync.WaitGroup // all are still served
	for part := range 10 {
		wg.Go(func() {
			for _, a := range open[part*n/10 : (part+1)*n/10] {
				if err := a.ask(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// highestOf watches a figure until stop is called.
func highestOf(figure func() int64) (most *atomic.Int64, stop func()) {
	most = &atomic.Int64{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), figure()))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return most, func() { close(done); <-ended }
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
