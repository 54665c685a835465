package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// peer is a proxy that takes part.
type peer struct {
	name string
	// manyHosts: it can be started with thousands of hosts.
	manyHosts bool
	start     func(context.Context, site) (*process, error)
}

// site is one start of a proxy: where it listens, what is behind it, and a
// directory of its own.
type site struct {
	dir           string
	plain, secure string // addresses of HTTP and HTTPS
	app           string // address of the app
	hosts         int    // each an app of its own to the proxy, all behind one address
}

// hostName is the nth host. The first is one that load tools can resolve.
func hostName(n int) string {
	if n == 0 {
		return "localhost"
	}
	return fmt.Sprintf("host%05d.bench.test", n)
}

// station is a proxy that runs, with its app.
type station struct {
	peer
	site
	proxy, behind *process
}

// startStation starts an app and the proxy before it, and waits until both answer.
func startStation(ctx context.Context, p peer, dir string, hosts int) (_ *station, err error) {
	s := &station{peer: p, site: site{dir: dir, hosts: hosts}}
	defer func() {
		if err != nil {
			s.stop()
			err = fmt.Errorf("%s: %w", p.name, err)
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	for _, addr := range []*string{&s.plain, &s.secure, &s.app} {
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	if s.behind, err = startSelf(ctx, site{dir: filepath.Join(dir)}, "app", s.app); err != nil {
		return nil, err
	}
	if err := awaitPort(ctx, s.app); err != nil {
		return nil, err
	}
	if s.proxy, err = p.start(ctx, s.site); err != nil {
		return nil, err
	}
	return s, awaitPort(ctx, s.secure)
}

func (s *station) stop() {
	s.proxy.stop()
	s.behind.stop()
}

// freeAddr gives a loopback address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitPort(ctx context.Context, addr string) error {
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		var c net.Conn
		if c, err = net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("does not listen at %s: %w", addr, err)
}
