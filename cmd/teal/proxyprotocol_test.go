package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"teal/deploy"
	"teal/router"
)

// balanced is a router behind the PROXY protocol, and an app that says who the
// router says the client is.
func balanced(t *testing.T, trusted ...netip.Prefix) (plain, secure, preview string) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "for=%s proto=%s id=%s", r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Request-Id"))
	}))
	t.Cleanup(app.Close)
	keyed := httptest.NewTLSServer(nil) // for its certificate
	keyed.Close()
	r := router.New(router.Config{TrustedProxies: trusted, TLS: &tls.Config{Certificates: keyed.TLS.Certificates}, Log: slog.New(slog.DiscardHandler)})
	in := deploy.Instance{ID: "c1", App: "shop", Color: deploy.Blue, Release: 1, Index: 1, Running: true, Addr: netip.MustParseAddrPort(app.Listener.Addr().String())}
	side := deploy.Backend{Color: deploy.Blue, Release: 1, Instances: []deploy.Instance{in}}
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: side, Preview: side})
	var doors [3]net.Listener
	for i := range doors {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		doors[i] = proxied(l, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- r.Serve(ctx, router.Listeners{Production: doors[:1], ProductionTLS: doors[1:2], Preview: doors[2:]})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return doors[0].Addr().String(), doors[1].Addr().String(), doors[2].Addr().String()
}

// ask sends bytes from the address and gives the answer, "" when the
// connection is closed without one.
func ask(t *testing.T, from, to, header string, secure bool, extra string) string {
	t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, header); err != nil {
		return ""
	}
	if secure {
		s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test"})
		if s.Handshake() != nil {
			return ""
		}
		c = s
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n"+extra+"\r\n"); err != nil {
		return ""
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b)
}

func headerV2(t *testing.T, from string, command proxyproto.ProtocolVersionAndCommand) string {
	t.Helper()
	h := proxyproto.Header{
		Version: 2, Command: command, TransportProtocol: proxyproto.TCPv4,
		SourceAddr: &net.TCPAddr{IP: net.ParseIP(from), Port: 4711}, DestinationAddr: &net.TCPAddr{IP: net.ParseIP("203.0.113.1"), Port: 443},
	}
	if strings.Contains(from, ":") {
		h.TransportProtocol = proxyproto.TCPv6
		h.DestinationAddr = &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443}
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheBalancersHeaderSaysWhoTheClientIs(t *testing.T) {
	t.Parallel()
	plain, secure, preview := balanced(t)
	for name, c := range map[string]struct{ header, want string }{
		"v1":         {"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n", "for=198.51.100.7 "},
		"v1 IPv6":    {"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "for=2001:db8::7 "},
		"v2":         {headerV2(t, "198.51.100.7", proxyproto.PROXY), "for=198.51.100.7 "},
		"v2 IPv6":    {headerV2(t, "2001:db8::7", proxyproto.PROXY), "for=2001:db8::7 "},
		"v1 UNKNOWN": {"PROXY UNKNOWN\r\n", "for=127.0.0.1 "},
		"v2 LOCAL":   {headerV2(t, "198.51.100.7", proxyproto.LOCAL), "for=127.0.0.1 "},
	} {
		for door, at := range map[string]string{"http": plain, "https": secure, "preview": preview} {
			want := "200 " + c.want + "proto=http"
			if door == "https" {
				want += "s"
			}
			if got := ask(t, "127.0.0.1", at, c.header, door == "https", ""); !strings.HasPrefix(got, want+" ") {
				t.Errorf("%s, %s: %q, want %q", name, door, got, want)
			}
		}
	}
}

func TestABalancerWithoutItsHeaderAndAStrangerWithOneAreRefused(t *testing.T) {
	t.Parallel()
	plain, secure, preview := balanced(t)
	v1 := "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n"
	for door, at := range map[string]string{"http": plain, "https": secure, "preview": preview} {
		tls := door == "https"
		for name, header := range map[string]string{
			"none": "", "torn": "PROXY TCP4 198.51.100.7\r\n", "unknown family": "PROXY UDP4 198.51.100.7 203.0.113.1 4711 443\r\n",
			"v2 of a Unix socket": "\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("a", 216), "two": v1 + v1,
		} {
			if got := ask(t, "127.0.0.1", at, header, tls, ""); strings.HasPrefix(got, "200") {
				t.Errorf("%s: the balancer with header %q is answered %q", door, name, got)
			}
		}
		for _, header := range []string{v1, headerV2(t, "198.51.100.7", proxyproto.PROXY)} {
			if got := ask(t, "127.0.0.2", at, header, tls, ""); strings.HasPrefix(got, "200") {
				t.Errorf("%s: a stranger's header is believed: %q", door, got)
			}
		}
		if got := ask(t, "127.0.0.2", at, "", tls, ""); !strings.HasPrefix(got, "200 for=127.0.0.2 ") {
			t.Errorf("%s: a stranger without a header is answered %q", door, got)
		}
	}
}

func TestASilentBalancerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	plain, _, _ := balanced(t)
	var silent []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	if got := ask(t, "127.0.0.2", plain, "", false, ""); !strings.HasPrefix(got, "200") {
		t.Errorf("a visitor is answered %q", got)
	}
	for _, c := range silent {
		_ = c.SetReadDeadline(time.Now().Add(headerTime + 5*time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the router speaks first")
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatal("a silent connection is never closed")
		}
	}
}

// TestIdentityCannotBeSpoofed: neither through the balancer nor beside it, and
// the trusted proxies are asked about the client that the header names.
func TestIdentityCannotBeSpoofed(t *testing.T) {
	t.Parallel()
	plain, secure, _ := balanced(t, netip.MustParsePrefix("192.0.2.9/32"), netip.MustParsePrefix("127.0.0.1/32"))
	claims := "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: gopher\r\nX-Request-Id: stolen-0123456789abcdef\r\nX_Forwarded_For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n"
	for door, at := range map[string]string{"http": plain, "https": secure} {
		tls := door == "https"
		got := ask(t, "127.0.0.1", at, "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n", tls, claims)
		if !strings.HasPrefix(got, "200 for=198.51.100.7 proto=http") || strings.Contains(got, "stolen") || strings.Contains(got, "gopher") {
			t.Errorf("%s: a visitor's claims are believed: %q", door, got)
		}
		if id := got[strings.LastIndex(got, "=")+1:]; len(id) < 16 {
			t.Errorf("%s: request id is %q", door, id)
		}
		got = ask(t, "127.0.0.1", at, "PROXY TCP4 192.0.2.9 203.0.113.1 4711 443\r\n", tls, claims)
		if !strings.HasPrefix(got, "200 for=10.0.0.1, 192.0.2.9 proto=gopher") || !strings.HasSuffix(got, "id=stolen-0123456789abcdef") {
			t.Errorf("%s: a trusted proxy's words are not believed: %q", door, got)
		}
	}
}
