package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"teal/deploy"
)

// authority is certmagic, set up to ask one ACME authority for one certificate
// at a time. When, and how often, is the Manager's to say; so certmagic's own
// maintenance never runs, and its cache is where a single attempt leaves its result.
type authority struct {
	cache   *certmagic.Cache
	magic   *certmagic.Config
	renewAt float64
}

// attempt is the outcome of one.
type attempt struct {
	name string
	cert *tls.Certificate // the newest there is, even when err is set; nil: none
	err  error
}

// never is longer than any process lives: for certmagic's own clocks.
const never = 100 * 365 * 24 * time.Hour

func (m *Manager) openAuthority() (*authority, error) {
	c := m.config.ACME
	dir := filepath.Join(m.config.Dir, "acme")
	// One daemon per directory: a lock that lies there is of one that died.
	if err := os.RemoveAll(filepath.Join(dir, "locks")); err != nil {
		return nil, fmt.Errorf("cannot use the directory for certificates: %w", err)
	}
	log := debugLog(m.log)
	a := &authority{renewAt: c.RenewAt}
	if a.renewAt == 0 {
		a.renewAt = certmagic.DefaultRenewalWindowRatio
	}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		RenewCheckInterval: never, OCSPCheckInterval: never, Logger: log,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		RenewalWindowRatio: a.renewAt,
		Storage:            &certmagic.FileStorage{Path: dir},
		OCSP:               certmagic.OCSPConfig{DisableStapling: true}, // the large authorities have ended it
		Issuers:            []certmagic.Issuer{},
		Logger:             log,
	})
	template := certmagic.ACMEIssuer{
		CA: c.directory(), Email: c.Email, Agreed: true, TrustedRoots: c.Roots, Logger: log,
		DisableHTTPChallenge: c.HTTP == nil, DisableTLSALPNChallenge: c.HTTPS == nil,
		DisableDistributedSolvers: true, CertObtainTimeout: patience,
	}
	if c.KeyID != "" {
		template.ExternalAccount = &acme.EAB{KeyID: c.KeyID, MACKey: c.MACKey}
	}
	// certmagic opens a port to be asked at, unless it finds it in use, as it is here.
	template.ListenHost, template.AltHTTPPort = hostPort(c.HTTP)
	if c.HTTPS != nil {
		template.ListenHost, template.AltTLSALPNPort = hostPort(c.HTTPS)
	}
	a.magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(a.magic, template)}
	return a, nil
}

func hostPort(a net.Addr) (host string, port int) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if !tcp.IP.IsUnspecified() {
		host = tcp.IP.String()
	}
	return host, tcp.Port
}

func (a *authority) close() { a.cache.Stop() }

// kept gives the certificate that an earlier attempt left on disk.
func (a *authority) kept(name string) *tls.Certificate {
	defer a.forget(name)
	cert, err := a.magic.CacheManagedCertificate(context.Background(), name)
	if err != nil {
		return nil
	}
	return &cert.Certificate
}

// attempt makes the certificate of the name be there and not be due for
// renewal. failures is how many attempts failed before: after the first one
// certmagic tries an authority's test directory first, to spare its limits.
func (a *authority) attempt(ctx context.Context, name string, failures int) (out attempt) {
	out.name = name
	defer func() {
		if p := recover(); p != nil {
			out.err = fmt.Errorf("panic: %s\n%s", deploy.PanicText(p), debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, certmagic.AttemptsCtxKey, &failures), patience)
	defer cancel()
	defer a.forget(name)
	a.forget(name) // one that certmagic remembers it takes to be fine
	out.err = a.magic.ManageSync(ctx, []string{name})
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if out.cert == nil || c.Leaf.NotAfter.After(out.cert.Leaf.NotAfter) {
			out.cert = &c.Certificate
		}
	}
	if out.cert == nil && out.err == nil {
		out.err = errors.New("the authority gave no certificate")
	}
	return out
}

func (a *authority) forget(name string) {
	a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
}

// canName tells whether the authority can be asked for a certificate with the
// name: never for this machine's own names and wildcards, and a public one not
// for names that only a private network knows.
func (a ACME) canName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.Contains(name, "*") ||
		!strings.Contains(name, ".") || net.ParseIP(name) != nil {
		return false
	}
	if a.Directory == "" || a.Directory == LetsEncrypt {
		return certmagic.SubjectQualifiesForPublicCert(name)
	}
	return certmagic.SubjectQualifiesForCert(name)
}

// explain says in one line why an attempt failed.
func explain(err error) string {
	var problem acme.Problem
	if errors.As(err, &problem) {
		text := "the authority says: " + problem.Detail
		for _, sub := range problem.Subproblems {
			text += "; " + sub.Detail
		}
		return deploy.Clean(text, 400)
	}
	var unreachable *url.Error
	if errors.As(err, &unreachable) {
		where := unreachable.URL
		if u, bad := url.Parse(where); bad == nil {
			where = u.Host
		}
		return deploy.Clean(fmt.Sprintf("the authority at %s does not answer: %v", where, unreachable.Err), 400)
	}
	return deploy.Clean(err.Error(), 400)
}
