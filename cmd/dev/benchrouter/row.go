package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	manyHosts = 10_000
	// busyHosts of the many are asked; all of them would measure how many
	// connections an app can hold.
	busyHosts = 1000
	idlers    = 1000
)

// row is one kind of load.
type row struct {
	name  string
	hosts int // that the proxy knows
	idle  int // connections that stay open beside the load
	ask   func(context.Context, *station, time.Duration) (load, error)
}

var rows = []row{
	{name: "small GET", hosts: 1, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.url(smallPath), "", s.dir, d)
	}},
	{name: "64 KiB GET", hosts: 1, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.url(largePath), "", s.dir, d)
	}},
	{name: "16 KiB POST", hosts: 1, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.url(smallPath), postScript, s.dir, d)
	}},
	{name: "TLS, small GET", hosts: 1, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.secureURL(smallPath), "", s.dir, d)
	}},
	{name: "HTTP/2 over TLS, small GET", hosts: 1, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return h2load(ctx, s.secureURL(smallPath), s.dir, d)
	}},
	{name: "10,000 hosts, small GET", hosts: manyHosts, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.url(smallPath), hostsScript, s.dir, d)
	}},
	{name: "1,000 idle connections, small GET", hosts: 1, idle: idlers, ask: func(ctx context.Context, s *station, d time.Duration) (load, error) {
		return wrk(ctx, s.url(smallPath), "", s.dir, d)
	}},
}

const postScript = `wrk.method = "POST"
wrk.body = string.rep("x", 16384)
`

// hostsScript asks the busy hosts one after another, in an order that is not
// that of their names. The requests are made before.
var hostsScript = fmt.Sprintf(`local requests = {}
init = function()
  for i = 1, %d do
    wrk.headers["Host"] = string.format("host%%05d.bench.test", i * 7 %% %d)
    requests[i] = wrk.format("GET")
  end
end
local i = 0
request = function()
  i = i %% #requests + 1
  return requests[i]
end
`, busyHosts, manyHosts)

func (s *station) url(path string) string {
	_, port, _ := net.SplitHostPort(s.plain)
	return "http://" + net.JoinHostPort(hostName(0), port) + path
}

func (s *station) secureURL(path string) string {
	_, port, _ := net.SplitHostPort(s.secure)
	return "https://" + net.JoinHostPort(hostName(0), port) + path
}

// openIdle opens n connections that have been asked something once.
func (s *station) openIdle(n int) (closeAll func(), err error) {
	var open []net.Conn
	closeAll = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	ask := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", smallPath, hostName(0), strings.Join(browser, "\r\n"))
	buf := make([]byte, 4096)
	for range n {
		c, err := net.Dial("tcp", s.plain)
		if err != nil {
			closeAll()
			return nil, err
		}
		open = append(open, c)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err = c.Write([]byte(ask)); err == nil {
			_, err = c.Read(buf)
		}
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("an idle connection to %s: %w", s.name, err)
		}
	}
	return closeAll, nil
}
