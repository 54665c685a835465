// Package certstest is an ACME authority for tests: letsencrypt/pebble in this
// process, which really asks the hosts that it certifies. Its DNS gives the
// same address for every name.
//
// certmagic keeps open challenges by name for the whole process: tests that run
// at the same time ask for different names.
package certstest

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Config says how the authority is.
type Config struct {
	Address   string        // that every name has; "": 127.0.0.1
	HTTPPort  int           // where it asks by HTTP-01
	HTTPSPort int           // where it asks by TLS-ALPN-01
	Lifetime  time.Duration // of certificates, whole seconds; 0: 90 days
	// KeyID and MACKey (base64url): it takes only accounts that are bound to
	// them; "": everybody's.
	KeyID, MACKey string
}

// Authority is a running one.
type Authority struct {
	Directory string         // URL
	API       *x509.CertPool // trusts its API
	APIPEM    []byte         // the same, PEM
	Roots     *x509.CertPool // trusts the certificates that it gives

	orders, requests atomic.Int64
	down             atomic.Bool
}

// Orders is how many orders for certificates were taken.
func (a *Authority) Orders() int { return int(a.orders.Load()) }

// orderWriter counts the orders that are taken. Pebble refuses one good nonce
// in twenty, on purpose, and is then asked again.
type orderWriter struct {
	http.ResponseWriter
	taken *atomic.Int64
}

func (w *orderWriter) WriteHeader(status int) {
	if status == http.StatusCreated {
		w.taken.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Requests is how many requests came, those while it was down too.
func (a *Authority) Requests() int { return int(a.requests.Load()) }

// Down makes it break off every request, or not any more.
func (a *Authority) Down(down bool) { a.down.Store(down) }

// Start starts an authority; it ends with the test.
func Start(t testing.TB, c Config) *Authority {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"} {
		if os.Getenv(name) != value {
			if err := os.Setenv(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	if c.KeyID != "" {
		if err := store.AddExternalAccountKeyByID(c.KeyID, c.MACKey); err != nil {
			t.Fatal(err)
		}
	}
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{
		"default": {ValidityPeriod: uint64(c.Lifetime / time.Second)},
	})
	asker := va.New(quiet, c.HTTPPort, c.HTTPSPort, false, startDNS(t, c.Address), store)
	front := wfe.New(quiet, store, asker, signer, []string{"authority.test"}, false, c.KeyID != "", 0, 0)
	handler := front.Handler()

	a := &Authority{Roots: x509.NewCertPool()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		if a.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			w = &orderWriter{ResponseWriter: w, taken: &a.orders}
		}
		handler.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	a.Directory = server.URL + wfe.DirectoryPath
	a.API = x509.NewCertPool()
	a.API.AddCert(server.Certificate())
	a.APIPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	a.Roots.AppendCertsFromPEM(signer.GetRootCert(0).PEM())
	return a
}

// startDNS starts a name server that has one address for every name.
func startDNS(t testing.TB, address string) (at string) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.ParseIP(address),
			}}
		}
		_ = w.WriteMsg(m)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}
