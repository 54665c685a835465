package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// load asks an app without pause over keep-alive connections.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	report report
}

// report is what the clients saw.
type report struct {
	total    int
	by       map[string]int // answers by version
	failures []error
}

func (r report) versions() string {
	var out []string
	for _, v := range slices.Sorted(maps.Keys(r.by)) {
		out = append(out, fmt.Sprintf("%s %d", v, r.by[v]))
	}
	return strings.Join(out, ", ")
}

// startLoad starts connections clients; every second one posts a body. Each
// asks about 40 times a second, so that the machine has time for the build.
func startLoad(ctx context.Context, addr, host string, connections int) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel, report: report{by: map[string]int{}}}
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections},
	}
	for i := range connections {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				var got string
				var err error
				if i%2 == 0 {
					got, err = ask(context.WithoutCancel(ctx), client, addr, host, "/version")
				} else {
					got, err = post(context.WithoutCancel(ctx), client, addr, host)
				}
				l.count(got, err)
				select {
				case <-ctx.Done():
				case <-time.After(25 * time.Millisecond):
				}
			}
		})
	}
	return l
}

func (l *load) count(got string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.total++
	if err != nil {
		l.report.failures = append(l.report.failures, err)
		return
	}
	l.report.by[strings.TrimSpace(got)]++
}

// stop ends the load after the requests in flight. It may be called twice.
func (l *load) stop() report {
	l.cancel()
	l.wg.Wait()
	return l.report
}

// ask gives the body of a good answer.
func ask(ctx context.Context, client *http.Client, addr, host, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return "", err
	}
	return do(client, req, host)
}

// post sends 16 KiB to /echo and gives the version that took them.
func post(ctx context.Context, client *http.Client, addr, host string) (string, error) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/echo", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	got, err := do(client, req, host)
	if err != nil {
		return "", err
	}
	version, echoed, _ := strings.Cut(got, "\n")
	if echoed != string(body) {
		return "", errors.New("the body came back changed")
	}
	return version, nil
}

func do(client *http.Client, req *http.Request, host string) (string, error) {
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	return string(b), nil
}
