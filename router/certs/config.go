package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"time"

	"teal/deploy"
)

// LetsEncrypt is the directory of the authority that is asked if none is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Config is what a Manager is made of.
type Config struct {
	// Dir keeps accounts, keys and certificates, for the owner's eyes only.
	Dir string
	// Own are the certificates that somebody else renews.
	Own []Pair
	// ACME is the authority that is asked for the others; nil: nobody is.
	ACME *ACME
	// Hosts gives the hosts that production serves, each with its app, as the
	// routing table has them: lower case, without port. It is called by Run,
	// after Wake and every few seconds.
	Hosts func() map[string]deploy.AppName
	// Told gets what people should know; nil: only Log does. It is called by
	// Run's goroutine and may take as long as a write to disk.
	Told func(Notice)
	// Retry is the pause after the n-th failure in a row, counted from 1; nil:
	// from one minute to six hours.
	Retry func(n int) time.Duration

	Log *slog.Logger // nil: slog.Default()
}

// Pair names the PEM files of an own certificate.
type Pair struct {
	Cert string // the certificate, and after it the chain that leads to its root
	Key  string // its private key
}

// ACME says which authority is asked for certificates, and as whom.
type ACME struct {
	// Email is the account's contact. To set it is to agree to the authority's terms.
	Email string
	// Directory is the authority's directory (RFC 8555 §7.1.1); "": Let's Encrypt.
	Directory string
	// Roots are trusted for the authority's own API; nil: the system's.
	Roots *x509.CertPool
	// KeyID and MACKey (base64url) bind the account to one that the authority
	// has already (RFC 8555 §7.3.4); "": not needed.
	KeyID, MACKey string
	// HTTP and HTTPS are where production listens. The authority must reach
	// one of them at port 80 or 443; nil: that kind of challenge is not used.
	HTTP, HTTPS net.Addr
	// RenewAt is the part of the lifetime that is left when a certificate is
	// renewed, unless the authority says otherwise; 0: a third.
	RenewAt float64
}

// Check finds mistakes that can be seen without asking anybody. The error names the setting.
func (a ACME) Check() error {
	if _, err := mail.ParseAddress(a.Email); err != nil {
		return fmt.Errorf("acme-email is %q, which is not a mail address such as ada@example.com", deploy.Clean(a.Email, 100))
	}
	u, err := url.Parse(a.directory())
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("acme-ca is %q: use the https address of an ACME directory, such as %s", deploy.Clean(a.Directory, 200), LetsEncrypt)
	}
	if (a.KeyID == "") != (a.MACKey == "") {
		return errors.New("acme-key-id and acme-mac-key belong together: one of them is not set")
	}
	return nil
}

func (a ACME) directory() string {
	if a.Directory == "" {
		return LetsEncrypt
	}
	return a.Directory
}

// pause is how long a host waits after its n-th failure in a row. The first
// ones are short: a name whose DNS was just set is often there a minute later.
func pause(n int) time.Duration {
	steps := [...]time.Duration{
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
		30 * time.Minute, time.Hour, time.Hour, 2 * time.Hour, 3 * time.Hour,
	}
	if n > len(steps) {
		return 6 * time.Hour
	}
	return steps[max(n, 1)-1]
}
