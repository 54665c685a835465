package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"teal/router/certs/certstest"
)

// secureWorld is a world with an ACME authority that asks at its ports, and
// with the domain teal.test.
func secureWorld(t *testing.T, args ...string) (w *world, https string, ca *certstest.Authority) {
	t.Helper()
	w = makeWorld(t, tealBin)
	https = hostOf(w.http) + ":8443"
	number := func(addr string) int {
		n, err := strconv.Atoi(portOf(addr))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ca = certstest.Start(t, certstest.Config{Address: hostOf(w.http), HTTPPort: number(w.http), HTTPSPort: number(https)})
	roots := filepath.Join(w.dir, "authority.pem")
	writeFile(t, roots, string(ca.APIPEM), 0o600)
	w.args = append(w.args, "--https", https, "--domain", "teal.test",
		"--acme-email", "ada@example.com", "--acme-ca", ca.Directory, "--acme-ca-file", roots)
	w.args = append(w.args, args...)
	w.start()
	return w, https, ca
}

// visitor trusts the authority only, and is led to the two front-ends of production.
func (w *world) visitor(https string, roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				to := w.http
				if portOf(addr) == "443" || portOf(addr) == portOf(https) {
					to = https
				}
				return new(net.Dialer).DialContext(ctx, network, to)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TestAPushedAppGetsItsCertificates has the real binary ask a real authority,
// serve what it got, keep it over a restart, and get one for a domain that is
// added later.
func TestAPushedAppGetsItsCertificates(t *testing.T) {
	t.Parallel()
	w, https, ca := secureWorld(t)
	a := w.app(t, "anna", "shop")
	a.commit(vict{version: "one"})
	a.push().exits(0)
	visitor := w.visitor(https, ca.Roots)
	answers := func(url string) bool {
		resp, err := visitor.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK && resp.Proto == "HTTP/2.0"
	}
	await := func(url string) {
		t.Helper()
		for end := time.Now().Add(3 * patience); !answers(url); {
			if time.Now().After(end) {
				t.Fatalf("%s does not answer with a certificate of the authority", url)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	await("https://shop.teal.test/")
	resp, err := visitor.Get("http://shop.teal.test/a%2Fb?c=%zz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if to, want := resp.Header.Get("Location"), "https://shop.teal.test:"+portOf(https)+"/a%2Fb?c=%zz"; resp.StatusCode != http.StatusPermanentRedirect || to != want {
		t.Errorf("http answers %s to %q, want 308 to %q", resp.Status, to, want)
	}
	w.command(t, "root", "domains", "add", "shop", "www.example.com").exits(0)
	await("https://www.example.com/")
	w.command(t, "anna", "domains", "list", "shop").exits(0).
		says("https://shop.teal.test:"+portOf(https)+" (always)  certificate valid until ", "www.example.com  certificate valid until ")
	if n := ca.Orders(); n != 2 {
		t.Errorf("%d certificates were asked for, not 2", n)
	}
	w.stop()
	ca.Down(true)
	w.start()
	if !answers("https://shop.teal.test/") {
		t.Error("after a restart, and with the authority away, https does not answer at once")
	}
}
