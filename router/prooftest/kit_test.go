// Package prooftest shows from outside what the router promises, with load,
// with other people's tools, and over time. Each proof runs twice: small in
// "make test", and in full, with figures, in "make proof-router" (the -full
// flag). The figures are in docs/BENCHMARKS.md.
package prooftest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/deploy"
	"teal/router"
)

var (
	full = flag.Bool("full", false, "run the proofs in full, for an hour or so, and log their figures")
	role = flag.String("role", "", "set by tests that start this program again: router")
	soak = flag.Duration("soak", 10*time.Minute, "how long the soak takes with -full")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *role == "router" {
		if err := serveRemote(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if !*full { // the small proofs wait more than they work
		_ = flag.Set("test.parallel", "6")
	}
	goleak.VerifyTestMain(m)
}

// scaled gives the full figure or the small one.
func scaled[T any](small, whole T) T {
	if *full {
		return whole
	}
	return small
}

// world is a router on real ports, with its access log and HTTP/2.
type world struct {
	*router.Router
	t             testing.TB
	plain, secure string // addresses of production
}

func startRouter(t testing.TB, limits router.Limits) *world {
	t.Helper()
	r, plain, secure, err := newRouter(limits)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- r.Serve(ctx, router.Listeners{Production: []net.Listener{plain}, ProductionTLS: []net.Listener{secure}})
	}()
	w := &world{Router: r, t: t, plain: plain.Addr().String(), secure: secure.Addr().String()}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the router did not end")
		}
	})
	return w
}

// switcher is a router, in this process or in another.
type switcher interface {
	point(deploy.Route)
	// replaced does what follows a switch: it drains the release before, lets
	// go of its sockets, and gives how many requests were cut.
	replaced(ctx context.Context, app string, release int) (cut int)
	addrs() (plain, secure string)
}

func (w *world) point(route deploy.Route)      { w.Point(route) }
func (w *world) addrs() (plain, secure string) { return w.plain, w.secure }

func (w *world) replaced(ctx context.Context, app string, release int) (cut int) {
	cut = w.Drain(ctx, deploy.AppName(app), release)
	w.Release(ctx, deploy.AppName(app), release)
	return cut
}

func newRouter(limits router.Limits) (r *router.Router, plain, secure net.Listener, err error) {
	cert, err := selfSigned()
	if err != nil {
		return nil, nil, nil, err
	}
	config := router.Config{
		Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard, Limits: limits,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	if plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, nil, nil, err
	}
	if secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		_ = plain.Close()
		return nil, nil, nil, err
	}
	return router.New(config), plain, secure, nil
}

// selfSigned makes a certificate for localhost and *.test.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost", "*.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// anyTLS is the configuration of a client that believes any certificate.
func anyTLS(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: protocols}
}

// routeTo is the route of an app whose release runs at addr. Odd releases are blue.
func routeTo(app string, release int, addr string, hosts ...string) deploy.Route {
	color := deploy.Green
	if release%2 == 1 {
		color = deploy.Blue
	}
	name := deploy.AppName(app)
	return deploy.Route{App: name, Hosts: hosts, Live: deploy.Backend{Color: color, Release: release, Instances: []deploy.Instance{{
		ID: fmt.Sprintf("%s-%d", app, release), App: name, Color: color, Release: release, Index: 1, Running: true,
		Addr: netip.MustParseAddrPort(addr),
	}}}}
}

// eventually polls until the claim holds.
func eventually(t testing.TB, patience time.Duration, claim string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", claim)
		}
	}
}
