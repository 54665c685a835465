package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"teal/deploy"
	"teal/router/certs"
)

// secure tells whether production is to be served over TLS.
func (c config) secure() bool { return len(c.TLS.Cert) > 0 || c.ACME.Email != "" }

// buildCertificates makes what the HTTPS front-end shows. The doors are open.
func (d *daemonParts) buildCertificates() (err error) {
	c := certs.Config{
		Dir: filepath.Join(d.dir, "certs"), Told: d.tellOfCertificate, Log: d.log,
		Hosts: func() map[string]deploy.AppName { return d.router.Hosts() },
	}
	if len(d.TLS.Cert) != len(d.TLS.Key) {
		return fmt.Errorf("--tls-cert names %d files and --tls-key %d: each certificate has its key", len(d.TLS.Cert), len(d.TLS.Key))
	}
	for i := range d.TLS.Cert {
		c.Own = append(c.Own, certs.Pair{Cert: d.TLS.Cert[i], Key: d.TLS.Key[i]})
	}
	if c.ACME, err = d.acme(); err != nil {
		return err
	}
	d.certs, err = certs.New(c)
	return err
}

// acme is the authority to ask; nil when nobody agreed to that.
func (d *daemonParts) acme() (*certs.ACME, error) {
	if d.ACME.Email == "" {
		if d.ACME.CA != "" || d.ACME.KeyID != "" {
			return nil, errors.New("--acme-ca and --acme-key-id have no effect without --acme-email: set the contact, which agrees to the authority's terms")
		}
		return nil, nil
	}
	a := &certs.ACME{
		Email: d.ACME.Email, Directory: d.ACME.CA, KeyID: d.ACME.KeyID, MACKey: d.ACME.MACKey,
		HTTP: d.doors.http.Addr(), HTTPS: d.doors.https.Addr(),
	}
	if d.ACME.CAFile == "" {
		return a, nil
	}
	pem, err := os.ReadFile(d.ACME.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read --acme-ca-file: %w", err)
	}
	if a.Roots, err = x509.SystemCertPool(); err != nil {
		a.Roots = x509.NewCertPool()
	}
	if !a.Roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--acme-ca-file: %s holds no certificate", d.ACME.CAFile)
	}
	return a, nil
}

// tellOfCertificate has people told of one that ends, or that can't be had.
func (d *daemonParts) tellOfCertificate(n certs.Notice) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alert := deploy.Alert{
		Episode: n.Episode, App: n.App, Certificate: &n.Certificate, At: n.At,
		Failure: deploy.Failure{Step: deploy.StepCertificate, Reason: n.Host + ": " + n.Text(n.At), Hint: certificateHint(n.Certificate)},
	}
	if err := d.db.PostAlert(ctx, alert); err != nil {
		d.log.Error("Cannot keep the alert about a certificate; it stands in the log only", "app", n.App, "error", err)
	}
	if n.App != "" {
		if err := d.db.AddEvent(ctx, deploy.Event{App: n.App, Text: alert.Failure.Reason}); err != nil {
			d.log.Warn("Cannot keep an event", "app", n.App, "error", err)
		}
	}
	d.notifier.Wake()
}

func certificateHint(c deploy.Certificate) string {
	if c.Own {
		return "Somebody else renews this certificate: put the new one and its key into the files that are set. They are taken within seconds, without a restart."
	}
	return "The authority must reach this server under this name, at port 80 or 443 from outside: check the name's DNS and the firewall. The next try needs nothing of you."
}

// settleCertificates waits until the certificates that are kept are served.
func (d *daemonParts) settleCertificates(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := d.certs.Settle(ctx); err != nil && !errors.Is(err, context.Canceled) {
		d.log.Warn("Certificates are still being read; the first visitors over TLS may be refused", "error", err)
	}
}
