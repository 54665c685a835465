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
	"path/filepath"
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
	r, plain, secure, err := newRouter(t.TempDir(), limits)
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

func newRouter(dir string, limits router.Limits) (r *router.Router, plain, secure net.Listener, err error) {
	cert, key, err := writeCertificate(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	config := router.Config{Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard, Limits: limits}
	if config.TLS, err = router.OwnCertificate(cert, key); err != nil {
		return nil, nil, nil, err
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

// writeCertificate writes a self-signed certificate for localhost and *.test.
func writeCertificate(dir string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost", "*.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(certFile, pemOf("CERTIFICATE", der), 0o600); err != nil {
		return "", "", err
	}
	return certFile, keyFile, os.WriteFile(keyFile, pemOf("EC PRIVATE KEY", keyDER), 0o600)
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
