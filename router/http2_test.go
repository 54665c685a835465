package router

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
)

// certificateFiles writes a self-signed certificate for shop.test.
func certificateFiles(t testing.TB, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "shop.test"}, DNSNames: []string{"shop.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func ownTLS(t testing.TB) *tls.Config {
	t.Helper()
	c, err := tls.LoadX509KeyPair(certificateFiles(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c}}
}

// clientHTTP2 speaks HTTP/2 only: over TLS, or from the first byte on plain TCP.
func clientHTTP2(t testing.TB, addr string, secure bool) *http.Client {
	var p http.Protocols
	p.SetHTTP2(secure)
	p.SetUnencryptedHTTP2(!secure)
	tr := &http.Transport{
		Protocols:       &p,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func TestHTTP2PassesOverTLSAndPlain(t *testing.T) {
	r := startRouter(t, Config{TLS: ownTLS(t)})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s %s %s %d", r.Proto, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-Proto"), len(body))
		w.Header().Set("X-Sum", "7")
	}))
	for _, c := range []struct {
		scheme, addr string
		secure       bool
	}{{"https", r.secure, true}, {"http", r.plain, false}} {
		client := clientHTTP2(t, c.addr, c.secure)
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				size := []int{0, 10, 100_000}[i%3]
				req, _ := http.NewRequest("POST", c.scheme+"://shop.test/a%2Fb//c?q=%zz;x", strings.NewReader(strings.Repeat("x", size)))
				if i%2 == 0 {
					req.ContentLength = -1
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				want := fmt.Sprintf("HTTP/1.1 /a%%2Fb//c?q=%%zz;x shop.test %s %d", c.scheme, size)
				if string(body) != want || err != nil || resp.ProtoMajor != 2 || resp.Trailer.Get("X-Sum") != "7" {
					t.Errorf("got %s %q %v %v, want %q", resp.Proto, body, resp.Trailer, err, want)
				}
			})
		}
		wg.Wait()
	}
}

func TestBrokenAnswerResetsTheStream(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsomeclose"))
	resp, err := clientHTTP2(t, r.plain, false).Get("http://shop.test/")
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a complete answer: %q", body)
	}
}

func TestEventsOverHTTP2OutliveTheWriteLimit(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Write: 100 * time.Millisecond}})
	next := make(chan string)
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for text := range next {
			if text == "end" {
				return
			}
			io.WriteString(w, text)
			w.(http.Flusher).Flush()
		}
	}))
	defer close(next)
	for _, client := range []*http.Client{clientHTTP2(t, r.plain, false), r.client()} {
		resp, err := client.Get("http://shop.test/")
		if err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, 3)
		for range 3 {
			// Longer than the limit: only a client that does not read runs into it.
			<-time.After(150 * time.Millisecond)
			next <- "one"
			if _, err := io.ReadFull(resp.Body, heard); err != nil {
				t.Fatal(err)
			}
		}
		next <- "end"
		resp.Body.Close()
	}
}

func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Write: 200 * time.Millisecond}})
	freed := make(chan struct{}, 2)
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, zeros{})
		freed <- struct{}{}
	}))
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	within(t, "HTTP/1.1", freed)
	resp, err := clientHTTP2(t, r.plain, false).Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	within(t, "HTTP/2", freed)
}

func TestConnectionFieldsAreRefusedInHTTP2(t *testing.T) {
	for field, value := range map[string]string{"Upgrade": "websocket", "Keep-Alive": "5", "Te": "gzip", "Transfer-Encoding": "chunked"} {
		req := &http.Request{Method: "GET", Host: "shop.test", RequestURI: "/", ProtoMajor: 2, Header: http.Header{field: {value}}}
		if no := guard(req); no == nil || no.status != 400 {
			t.Errorf("%s: %s is let in: %v", field, value, no)
		}
	}
	for _, req := range []*http.Request{
		{Method: "GET", Host: "shop.test", RequestURI: "/ HTTP/1.1\r\nX: y", ProtoMajor: 2},
		{Method: "GET /x HTTP/1.1", Host: "shop.test", RequestURI: "/", ProtoMajor: 2},
		{Method: "GET", Host: "shop.test\" x", RequestURI: "/", ProtoMajor: 2},
	} {
		if guard(req) == nil {
			t.Errorf("%q is let in", req.Method+" "+req.RequestURI+" "+req.Host)
		}
	}
}

func TestPreviewSpeaksTLSAtTheSamePort(t *testing.T) {
	asked := atomic.Bool{}
	r := startRouter(t, Config{
		TLS: ownTLS(t), Secured: func(host string) bool { return host == "shop.test" },
		PreviewAllowed: func(*http.Request) bool { asked.Store(true); return true },
	})
	in := startApp(t, 2, func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.Header.Get("X-Forwarded-Proto")) })
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test", "bare.test"}, Preview: backendOf(in), Redirect: true})
	plain := clientTo(t, r.preview)
	if netHTTP { // speaks TLS where it is told to only
		if status, body := get(t, plain, "http://shop.test:8888/"); status != 200 || body != "http" {
			t.Errorf("answered %d %q", status, body)
		}
		return
	}
	resp, err := plain.Get("http://shop.test:8888//a%2Fb?x=%zz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != 308 || to != "https://shop.test:8888//a%2Fb?x=%zz" || asked.Load() {
		t.Errorf("without TLS it answers %d to %q (the password was asked for: %t)", resp.StatusCode, to, asked.Load())
	}
	if status, body := get(t, plain, "http://bare.test:8888/"); status != 200 || body != "http" {
		t.Errorf("a host without a certificate answers %d %q", status, body)
	}
	h1 := clientTo(t, r.preview)
	h1.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for name, c := range map[string]*http.Client{"HTTP/1.1": h1, "HTTP/2": clientHTTP2(t, r.preview, true)} {
		for range 3 {
			if status, body := get(t, c, "https://shop.test:8888/"); status != 200 || body != "https" {
				t.Errorf("over TLS, %s: %d %q", name, status, body)
			}
		}
	}
	if status, body := get(t, clientHTTP2(t, r.preview, false), "http://bare.test:8888/"); status != 200 || body != "http" {
		t.Errorf("h2c answers %d %q", status, body)
	}
}
