package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/router"
	"teal/router/certs"
	"teal/router/certs/certstest"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// site is a router with certificates, one app behind it, and an authority that
// asks at the router's own ports.
type site struct {
	t testing.TB
	*certs.Manager
	router      *router.Router
	ca          *certstest.Authority
	http, https string // addresses
	securePort  string // ":port"
	config      certs.Config
	stop        func() // both, and waits
	app         deploy.Instance

	told  notices
	mu    sync.Mutex
	hosts map[deploy.AppName][]string
}

type options struct {
	ca      certstest.Config
	without string // "http" or "https": that challenge is not used
	own     []certs.Pair
	noACME  bool
	dir     string
	retry   func(int) time.Duration
	renewAt float64
}

func startSite(t testing.TB, o options) *site {
	t.Helper()
	s := &site{t: t, hosts: map[deploy.AppName][]string{}}
	plain, secure := listen(t), listen(t)
	s.http, s.https = plain.Addr().String(), secure.Addr().String()
	s.securePort = fmt.Sprintf(":%d", secure.Addr().(*net.TCPAddr).Port)
	s.app = startApp(t)
	s.config = certs.Config{Dir: o.dir, Own: o.own, Retry: o.retry, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	if s.config.Dir == "" {
		s.config.Dir = t.TempDir()
	}
	if !o.noACME {
		o.ca.HTTPPort, o.ca.HTTPSPort = plain.Addr().(*net.TCPAddr).Port, secure.Addr().(*net.TCPAddr).Port
		s.ca = certstest.Start(t, o.ca)
		s.config.ACME = &certs.ACME{
			Email: "ada@example.com", Directory: s.ca.Directory, Roots: s.ca.API, RenewAt: o.renewAt,
			KeyID: o.ca.KeyID, MACKey: o.ca.MACKey,
		}
		if o.without != "http" {
			s.config.ACME.HTTP = plain.Addr()
		}
		if o.without != "https" {
			s.config.ACME.HTTPS = secure.Addr()
		}
	}
	s.start(plain, secure)
	return s
}

// start starts router and manager; again after stop.
func (s *site) start(plain, secure net.Listener) {
	s.t.Helper()
	s.config.Hosts = func() map[string]deploy.AppName { return s.router.Hosts() }
	s.config.Told = s.told.add
	m, err := certs.New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Manager = m
	s.router = router.New(router.Config{
		TLS: m.TLSConfig(), Secured: m.Covers, SecurePort: s.securePort, Challenge: m.Answer, Repointed: m.Wake, Log: s.config.Log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	running.Go(func() {
		err := s.router.Serve(ctx, router.Listeners{Production: []net.Listener{plain}, ProductionTLS: []net.Listener{secure}})
		if err != nil {
			s.t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	s.t.Cleanup(s.stop)
	s.mu.Lock()
	defer s.mu.Unlock()
	for app, hosts := range s.hosts {
		s.point(app, hosts)
	}
}

// restart is a new process on the same directory and ports.
func (s *site) restart() {
	s.t.Helper()
	s.stop()
	s.start(listenAt(s.t, s.http), listenAt(s.t, s.https))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Settle(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// serve points the app's hosts at the instance.
func (s *site) serve(app deploy.AppName, hosts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[app] = hosts
	s.point(app, hosts)
}

func (s *site) point(app deploy.AppName, hosts []string) {
	in := s.app
	in.App = app
	s.router.Point(deploy.Route{
		App: app, Hosts: hosts, Redirect: true,
		Live: deploy.Backend{Color: deploy.Blue, Release: 1, Instances: []deploy.Instance{in}},
	})
}

// client trusts the authority's root only, and reaches the site under any name.
func (s *site) client(roots *x509.CertPool) *http.Client {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := s.http
			if strings.HasSuffix(addr, ":443") || strings.HasSuffix(addr, s.securePort) {
				to = s.https
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
		ForceAttemptHTTP2: true,
		DisableKeepAlives: true,
	}
	return &http.Client{
		Transport: tr, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// shown is the certificate that a client which trusts the authority is shown; nil: none it takes.
func (s *site) shown(host string) *x509.Certificate {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{RootCAs: s.ca.Roots, ServerName: host}}
	c, err := d.Dial("tcp", s.https)
	if err != nil {
		return nil
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// await waits until the host has a certificate that clients take.
func (s *site) await(host string) *x509.Certificate {
	s.t.Helper()
	var cert *x509.Certificate
	eventually(s.t, "a certificate for "+host, func() bool {
		cert = s.shown(host)
		return cert != nil
	}, func() any { return s.Status(host) })
	return cert
}

func eventually(t testing.TB, what string, ok func() bool, state func() any) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come; state: %+v", what, state())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func listen(t testing.TB) net.Listener { return listenAt(t, "127.0.0.1:0") }

func listenAt(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startApp serves an app that says by which scheme and path it was asked.
func startApp(t testing.TB) deploy.Instance {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Header.Get("X-Forwarded-Proto"), r.RequestURI)
	}))
	t.Cleanup(s.Close)
	return deploy.Instance{ID: "c1", Color: deploy.Blue, Release: 1, Index: 1, Addr: netip.MustParseAddrPort(s.Listener.Addr().String()), Running: true}
}

func get(t testing.TB, c *http.Client, url string) (status int, header http.Header, body string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
