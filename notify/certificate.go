package notify

import (
	"fmt"
	"time"

	"teal/deploy"
)

// PayloadCertificate is the certificate of a Payload.
type PayloadCertificate struct {
	Host     string     `json:"host"`
	Own      bool       `json:"own"`                 // somebody else renews it
	NotAfter *time.Time `json:"not_after,omitempty"` // none: there is no certificate
	Error    string     `json:"error,omitempty"`     // why it was not obtained, renewed or read
}

func certificateOf(c deploy.Certificate) *PayloadCertificate {
	p := &PayloadCertificate{Host: deploy.Clean(c.Host, 300), Own: c.Own, Error: deploy.Clean(c.Error, 400)}
	if c.Has() {
		end := c.NotAfter.UTC()
		p.NotAfter = &end
	}
	return p
}

// describeCertificate puts an alert about a certificate into words.
func (c Config) describeCertificate(a deploy.Alert) facts {
	cert := *a.Certificate
	host := deploy.Clean(cert.Host, 200)
	what, effect := c.certificateState(cert, a.At)
	f := facts{
		Subject: deploy.Clean(fmt.Sprintf("[teal] %s: %s", host, what), 250),
		Title:   fmt.Sprintf("%s: %s", host, what),
		Effect:  effect,
		Hint:    deploy.Clean(a.Failure.Hint, 600),
		Server:  deploy.Clean(c.ServerName, 100),
		Episode: "You are told two weeks before the end, and at the end. While there is none at all: once a week.",
	}
	f.add("App", string(a.App))
	if cert.Has() {
		f.add("Ends", c.clock(cert.NotAfter))
		f.add("Issued by", deploy.Clean(cert.Issuer, 100))
	}
	f.add("Last error", deploy.Clean(cert.Error, 400))
	if !cert.Since.IsZero() {
		f.add("Failing since", c.clock(cert.Since))
	}
	if !cert.Next.IsZero() {
		f.add("Next try", c.clock(cert.Next))
	}
	if a.App != "" {
		f.Next = append(f.Next, step{Text: "Look at the app's certificates", Command: deploy.Clean(c.SSHHint, 200) + " domains list " + string(a.App)})
	} else {
		f.Next = append(f.Next, step{Text: "Put a renewed certificate and its key into the files that --tls-cert and --tls-key name", Command: "openssl x509 -noout -enddate -in CERTIFICATE"})
	}
	return f
}

// certificateState says what is the matter, and what visitors have of it.
func (c Config) certificateState(cert deploy.Certificate, now time.Time) (what, effect string) {
	switch {
	case !cert.Has():
		return "no certificate to be had", "Without one the host is served by http only; https is refused."
	case !now.Before(cert.NotAfter):
		return "the certificate has ended", "Browsers refuse https since " + c.clock(cert.NotAfter) + "."
	default:
		days := int(cert.NotAfter.Sub(now).Hours() / 24)
		return fmt.Sprintf("the certificate ends in %d days and is not renewed", days),
			"It is valid until " + c.clock(cert.NotAfter) + ". Then browsers refuse https."
	}
}
