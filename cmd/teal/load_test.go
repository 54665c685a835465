package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is clients that ask an app without pause, each over one connection that
// it never gives up: a connection that breaks is a failure, and nothing is tried
// again. Versions are numbers that only grow.
type load struct {
	app    *app
	cancel context.CancelFunc
	wg     sync.WaitGroup
	floor  atomic.Int64 // the oldest version that may answer a request from now on
	newest atomic.Int64 // the newest version that has answered
	asked  atomic.Int64 // answered requests

	mu       sync.Mutex
	posted   map[string]int64 // request → version that answered it
	closed   int              // connections that the server ended in good order
	failures []error
	took     []time.Duration // from a request to the last byte of its answer, when it was a good one
}

func startLoad(a *app, connections int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{app: a, cancel: cancel, posted: map[string]int64{}}
	for i := range connections {
		l.wg.Go(func() { l.client(ctx, i) })
	}
	a.t.Cleanup(l.stop)
	return l
}

// stop ends the load after the requests in flight. It may be called twice.
func (l *load) stop() {
	l.cancel()
	l.wg.Wait()
}

// stopUnharmed ends the load, in which no request may have failed.
func (l *load) stopUnharmed() {
	l.app.t.Helper()
	l.stop()
	if len(l.failures) > 0 || l.asked.Load() == 0 {
		l.app.t.Errorf("%d of %d requests failed, the first: %v", len(l.failures), l.asked.Load(), l.failures[:min(1, len(l.failures))])
	}
	l.app.t.Logf("%d requests, %d failed", l.asked.Load(), len(l.failures))
}

// latency gives the 99th percentile and the longest of the answers; of a load that was stopped.
func (l *load) latency() (p99, longest time.Duration) {
	sorted := slices.Sorted(slices.Values(l.took))
	if len(sorted) == 0 {
		return 0, 0
	}
	return sorted[len(sorted)*99/100], sorted[len(sorted)-1]
}

// client asks over one connection; every second client posts.
func (l *load) client(ctx context.Context, i int) {
	c := &caller{load: l, post: i%2 == 1, name: strconv.Itoa(i)}
	defer c.hangUp()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := c.ask(n)
		l.mu.Lock()
		if err == nil {
			l.took = append(l.took, time.Since(began))
		} else {
			l.failures = append(l.failures, fmt.Errorf("client %d, request %d: %w", i, n, err))
		}
		l.mu.Unlock()
		if err != nil {
			c.hangUp()
		}
		timer := time.NewTimer(40 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// caller is one client with its connection.
type caller struct {
	*load
	name string
	post bool
	conn net.Conn
	r    *bufio.Reader
	seen int64 // the newest version that has answered
}

func (c *caller) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *caller) ask(n int) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.app.w.http, 10*time.Second)
		if err != nil {
			return err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	req, body, err := c.request(n)
	if err != nil {
		return err
	}
	floor := c.floor.Load()
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if err := req.Write(c.conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.200s", resp.Status, answer)
	}
	if resp.Close {
		c.hangUp()
		c.mu.Lock()
		c.closed++
		c.mu.Unlock()
	}
	return c.judge(req, string(answer), body, floor)
}

func (c *caller) request(n int) (*http.Request, string, error) {
	if !c.post {
		req, err := http.NewRequest(http.MethodGet, c.app.url("/version"), nil)
		return req, "", err
	}
	body := strings.Repeat(fmt.Sprintf("%s/%d ", c.name, n), 500)
	req, err := http.NewRequest(http.MethodPost, c.app.url("/echo"), bytes.NewReader([]byte(body)))
	if err == nil {
		req.Header.Set("X-Request", fmt.Sprintf("%s/%d", c.name, n))
	}
	return req, body, err
}

// judge checks an answer: by which version, and whether the body came back whole.
func (c *caller) judge(req *http.Request, answer, body string, floor int64) error {
	first, echoed, _ := strings.Cut(answer, "\n")
	version, err := strconv.ParseInt(first, 10, 64)
	switch {
	case err != nil:
		return err
	case version < floor:
		return fmt.Errorf("version %d answered a request that began after the switch to %d", version, floor)
	case version < c.seen:
		return fmt.Errorf("version %d answered after version %d", version, c.seen)
	case echoed != body:
		return errors.New("the body came back changed")
	}
	c.seen = version
	for newest := c.newest.Load(); newest < version && !c.newest.CompareAndSwap(newest, version); {
		newest = c.newest.Load()
	}
	c.asked.Add(1)
	if c.post {
		c.mu.Lock()
		c.posted[req.Header.Get("X-Request")] = version
		c.mu.Unlock()
	}
	return nil
}

// collector hears of each POST that arrives at an instance.
type collector struct {
	port string
	mu   sync.Mutex
	came map[string][]string // request → versions that got it
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0") // instances reach it by their network's gateway
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{port: portOf(l.Addr().String()), came: map[string][]string{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.hear(conn)
		}
	}()
	return c
}

func (c *collector) hear(conn net.Conn) {
	defer conn.Close()
	for s := bufio.NewScanner(conn); s.Scan(); {
		version, id, _ := strings.Cut(s.Text(), " ")
		c.mu.Lock()
		c.came[id] = append(c.came[id], version)
		c.mu.Unlock()
	}
}

// heard gives how many requests came once, and those that came more often.
func (c *collector) heard() (once int, twice []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, versions := range c.came {
		if len(versions) == 1 {
			once++
		} else {
			twice = append(twice, fmt.Sprintf("%s by versions %v", id, versions))
		}
	}
	return once, twice
}
