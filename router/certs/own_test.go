package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
	"teal/router/certs"
)

// writePair writes a self-signed certificate, two months old, that has so much time left.
func writePair(t testing.TB, dir string, serial int64, left time.Duration, key crypto.Signer, names ...string) certs.Pair {
	t.Helper()
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-60 * 24 * time.Hour), NotAfter: time.Now().Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := certs.Pair{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// handshake gives the leaf that a client without any trust is shown.
func handshake(addr string, c *tls.Config) (*tls.ConnectionState, error) {
	if c.RootCAs == nil {
		c.InsecureSkipVerify = true
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: c}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return &state, nil
}

func TestAnOwnCertificateWinsForTheNamesItCovers(t *testing.T) {
	t.Parallel()
	own := writePair(t, t.TempDir(), 7, 90*24*time.Hour, nil, "*.b1.example.com", "Shop.Example.ORG")
	s := startSite(t, options{own: []certs.Pair{own}})
	s.serve("shop", "shop.b1.example.com", "shop.example.org", "*.b1.example.com", "shop.example.net", "a.b.b1.example.com")
	s.await("shop.example.net")
	s.await("a.b.b1.example.com") // a wildcard is for one label
	if n := s.ca.Orders(); n != 2 {
		t.Errorf("%d certificates were asked for, not 2", n)
	}
	for host, want := range map[string]bool{
		"shop.b1.example.com": true, "shop.example.org": true, "SHOP.b1.example.com": true, "other.b1.example.com": true,
		"shop.example.net": false, "a.b.b1.example.com": false,
	} {
		state, err := handshake(s.https, &tls.Config{ServerName: host})
		if err != nil {
			t.Errorf("%s: %v", host, err)
		} else if got := state.PeerCertificates[0].SerialNumber.Int64() == 7; got != want {
			t.Errorf("%s is shown the own certificate: %t, want %t", host, got, want)
		}
	}
	if c := s.Status("shop.b1.example.com"); !c.Own || c.App != "shop" || c.Text(time.Now()) == "" {
		t.Errorf("status is %+v", c)
	}
	if c := s.Status("*.b1.example.com"); !c.Own {
		t.Errorf("status of the wildcard is %+v", c)
	}
	if _, err := handshake(s.https, &tls.Config{}); err != nil {
		t.Errorf("a client that names no host: %v, want the own certificate", err)
	}
}

func TestAnUnknownNameIsRefusedWithAnAlert(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	_, err := handshake(s.https, &tls.Config{ServerName: "stranger.b2.example.com"})
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("the handshake ends with %v, want unrecognized_name", err)
	}
	if _, err := handshake(s.https, &tls.Config{ServerName: "stranger.b2.example.com", NextProtos: []string{"acme-tls/1"}}); err == nil {
		t.Error("a challenge that nobody asked for is answered")
	}
}

func TestOwnCertificatesOfTwoKindsOfKeyServeTheClientsThatTakeThem(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := startSite(t, options{noACME: true, own: []certs.Pair{
		writePair(t, t.TempDir(), 1, 24*time.Hour, nil, "shop.example.com"),
		writePair(t, t.TempDir(), 2, 24*time.Hour, rsaKey, "shop.example.com"),
	}})
	for suite, want := range map[uint16]int64{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 1, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 2,
	} {
		state, err := handshake(s.https, &tls.Config{ServerName: "shop.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if err != nil {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
		} else if got := state.PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("%s is shown certificate %d, want %d", tls.CipherSuiteName(suite), got, want)
		}
	}
}

func TestOldVersionsAndWeakCiphersAreRefused(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := startSite(t, options{noACME: true, own: []certs.Pair{writePair(t, t.TempDir(), 1, 24*time.Hour, rsaKey, "shop.example.com")}})
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := handshake(s.https, &tls.Config{ServerName: "shop.example.com", MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
	weak := []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, // no forward secrecy
	}
	for _, c := range tls.InsecureCipherSuites() {
		weak = append(weak, c.ID)
	}
	for _, suite := range weak {
		if _, err := handshake(s.https, &tls.Config{ServerName: "shop.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}); err == nil {
			t.Errorf("%s is accepted", tls.CipherSuiteName(suite))
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		state, err := handshake(s.https, &tls.Config{ServerName: "shop.example.com", MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		} else if state.NegotiatedProtocol != "h2" {
			t.Errorf("%s: %q is spoken, want h2", tls.VersionName(version), state.NegotiatedProtocol)
		}
	}
}

func TestASessionIsResumedWithoutAnotherCertificate(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{noACME: true, own: []certs.Pair{writePair(t, t.TempDir(), 1, 24*time.Hour, nil, "shop.example.com")}})
	s.serve("shop", "shop.example.com")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		tr := &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example.com", MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)},
		}
		for try, want := range []bool{false, true} {
			req, err := http.NewRequest(http.MethodGet, "https://"+s.https+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "shop.example.com"
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.TLS.DidResume != want {
				t.Errorf("%s, connection %d: resumed %t, want %t", tls.VersionName(version), try+1, resp.TLS.DidResume, want)
			}
		}
	}
}

func TestAReplacedFileIsTakenAndATornOneIsNot(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		pair := writePair(t, dir, 1, 90*24*time.Hour, nil, "shop.example.com")
		m := runManager(t, certs.Config{Own: []certs.Pair{pair}})
		serial := func() int64 {
			time.Sleep(time.Minute)
			c, err := m.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: "shop.example.com"})
			if err != nil || c == nil {
				t.Fatalf("no certificate: %v", err)
			}
			return c.Leaf.SerialNumber.Int64()
		}
		whole, err := os.ReadFile(pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(pair.Key, whole[:20], 0o600); err != nil {
			t.Fatal(err)
		}
		if serial() != 1 {
			t.Error("a torn key file took the certificate away")
		}
		if c := m.Status("shop.example.com"); !strings.Contains(c.Error, "cannot use certificate") {
			t.Errorf("status does not tell of it: %+v", c)
		}
		writePair(t, dir, 2, 90*24*time.Hour, nil, "shop.example.com")
		if serial() != 2 {
			t.Error("the new certificate is not used")
		}
		if err := os.Remove(pair.Cert); err != nil {
			t.Fatal(err)
		}
		if serial() != 2 {
			t.Error("a missing file took the certificate away")
		}
	})
	if _, err := certs.New(certs.Config{Own: []certs.Pair{{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}}}); err == nil {
		t.Error("a certificate that is missing at the start is no error")
	}
}

// notices are what was told.
type notices struct {
	mu   sync.Mutex
	list []certs.Notice
}

func (n *notices) add(one certs.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, one)
}

func (n *notices) all() []certs.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]certs.Notice{}, n.list...)
}

// runManager runs a manager in the test's bubble.
func runManager(t *testing.T, c certs.Config) *certs.Manager {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	m, err := certs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestTheEndOfAnOwnCertificateIsToldTwoWeeksBeforeAndWhenItIsThere(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		pair := writePair(t, dir, 1, 15*24*time.Hour, nil, "shop.example.com")
		begin := time.Now()
		var box notices
		runManager(t, certs.Config{
			Own:   []certs.Pair{pair},
			Hosts: func() map[string]deploy.AppName { return map[string]deploy.AppName{"shop.example.com": "shop"} },
			Told:  box.add,
		})
		time.Sleep(23 * time.Hour)
		if told := box.all(); len(told) != 0 {
			t.Fatalf("told more than two weeks before the end: %+v", told)
		}
		time.Sleep(16 * 24 * time.Hour)
		told := box.all()
		if len(told) != 2 {
			t.Fatalf("told %d times, want 2: %+v", len(told), told)
		}
		for i, want := range []struct {
			kind certs.Kind
			day  int
		}{{certs.Expiring, 1}, {certs.Expired, 15}} {
			n := told[i]
			if day := int(n.At.Sub(begin).Hours() / 24); n.Kind != want.kind || day != want.day || n.App != "shop" || !n.Own {
				t.Errorf("told %s on day %d (%+v), want %s on day %d", n.Kind, day, n, want.kind, want.day)
			}
		}
		if told[0].Episode == told[1].Episode {
			t.Error("both are the same episode, so the second would not be mailed")
		}
	})
}

func TestAHostThatHasHadNoCertificateForAnHourIsToldOnceAWeek(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var box notices
		m := runManager(t, certs.Config{
			Dir: dir,
			// Nothing listens there: no attempt gets further than its first connection.
			ACME:  &certs.ACME{Email: "ada@example.com", Directory: "https://127.0.0.1:1/dir"},
			Hosts: func() map[string]deploy.AppName { return map[string]deploy.AppName{"shop.example.com": "shop"} },
			Told:  box.add,
		})
		begin := time.Now()
		time.Sleep(15 * 24 * time.Hour)
		told := box.all()
		if len(told) < 3 || len(told) > 4 {
			t.Fatalf("told %d times in 15 days: %+v", len(told), told)
		}
		if d := told[0].At.Sub(begin); d < time.Hour || d > 2*time.Hour {
			t.Errorf("told first after %v, want an hour or a bit more", d)
		}
		if n := told[0]; n.Kind != certs.Missing || !strings.Contains(n.Error, "127.0.0.1:1 does not answer") {
			t.Errorf("told %+v", n)
		}
		c := m.Status("shop.example.com")
		if wait := time.Until(c.Next); wait <= 0 || wait > 6*time.Hour {
			t.Errorf("the next try is in %v: %+v", wait, c)
		}
	})
}
