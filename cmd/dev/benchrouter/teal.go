package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"teal/deploy"
	"teal/router"
	"teal/router/certs"
)

// teal is Teal's router as "teal serve" makes it, in a process of its own.
func teal(profile string) peer {
	return peer{name: "Teal", manyHosts: true, start: func(ctx context.Context, s site) (*process, error) {
		p, err := startSelf(ctx, s, "teal", s.plain, s.secure, s.app, s.dir, strconv.Itoa(s.hosts), profile)
		return p, err
	}}
}

// serveTeal is the process:
//
//	benchrouter teal PLAIN SECURE APP DIR HOSTS PROFILE
func serveTeal(ctx context.Context, args []string) error {
	plain, secure, app, dir, profile := args[0], args[1], args[2], args[3], args[5]
	hosts, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	debug.SetGCPercent(50) // as the daemon has it
	r, err := tealRouter(ctx, dir, secure)
	if err != nil {
		return err
	}
	began := time.Now()
	for n := range hosts {
		r.Point(tealRoute(n, app))
	}
	fmt.Fprintf(os.Stderr, "%d apps pointed in %s\n", hosts, time.Since(began).Round(time.Millisecond))
	if profile != "" && hosts == 1 {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var l router.Listeners
	for _, door := range []struct {
		addr string
		into *[]net.Listener
	}{{plain, &l.Production}, {secure, &l.ProductionTLS}} {
		listener, err := net.Listen("tcp", door.addr)
		if err != nil {
			return err
		}
		*door.into = []net.Listener{listener}
	}
	return r.Serve(ctx, l)
}

// tealRouter has everything on that production has: access log, metrics,
// forwarding fields, request ids, certificates that are watched, all limits.
func tealRouter(ctx context.Context, dir, secure string) (*router.Router, error) {
	log, err := os.OpenFile(filepath.Join(dir, "access.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	shown, err := certs.New(certs.Config{Own: []certs.Pair{{Cert: filepath.Join(dir, certFile), Key: filepath.Join(dir, keyFile)}}})
	if err != nil {
		return nil, err
	}
	return router.New(router.Config{
		Domain: "bench.test", AccessLog: log, TLS: shown.TLSConfig(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}), nil
}

// tealRoute is the nth app, with a host and an instance of its own.
func tealRoute(n int, app string) deploy.Route {
	name := deploy.AppName(fmt.Sprintf("app%d", n))
	return deploy.Route{App: name, Hosts: []string{hostName(n)}, Live: deploy.Backend{
		Color: deploy.Blue, Release: 1, Instances: []deploy.Instance{{
			ID: "c-" + string(name), App: name, Color: deploy.Blue, Release: 1, Index: 1, Running: true,
			Addr: netip.MustParseAddrPort(app),
		}},
	}}
}
