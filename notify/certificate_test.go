package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// certificateAlert is about a certificate that an authority does not renew.
func certificateAlert() deploy.Alert {
	return deploy.Alert{
		Episode: "certificate shop.example.org expiring 1", App: "shop", At: failedAt,
		Certificate: &deploy.Certificate{
			Host: "shop.example.org", App: "shop", Issuer: "Let's Encrypt",
			NotBefore: failedAt.Add(-77 * 24 * time.Hour), NotAfter: failedAt.Add(13*24*time.Hour + time.Hour),
			Error: "the authority says: no A record for shop.example.org", Since: failedAt.Add(-17 * 24 * time.Hour), Next: failedAt.Add(2 * time.Hour),
		},
		Failure: deploy.Failure{Step: deploy.StepCertificate, Reason: "shop.example.org: certificate …", Hint: "Check the name's DNS."},
	}
}

func TestAnAlertAboutACertificateSaysWhatEndsWhenAndWhy(t *testing.T) {
	t.Parallel()
	for state, want := range map[string][]string{
		"expiring": {"[teal] shop.example.org: the certificate ends in 13 days and is not renewed", "Then browsers refuse https.", "no A record", "domains list shop", "Check the name's DNS."},
		"expired":  {"[teal] shop.example.org: the certificate has ended", "Browsers refuse https since"},
		"missing":  {"[teal] shop.example.org: no certificate to be had", "served by http only"},
		"server":   {"openssl x509", "--tls-cert"},
	} {
		a := certificateAlert()
		switch state {
		case "expired":
			a.Certificate.NotAfter = a.At
		case "missing":
			a.Certificate.NotAfter, a.Certificate.NotBefore = time.Time{}, time.Time{}
		case "server":
			a.App, a.Certificate.Own = "", true
		}
		m, err := config().compose(delivery(ChannelMail, a), []string{"anna@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		text := config().describe(a).Subject
		for _, part := range m.GetParts() {
			b, err := part.GetContent()
			if err != nil {
				t.Fatal(err)
			}
			text += "\n" + string(b)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: the mail does not say %q:\n%s", state, w, text)
			}
		}
	}
	b, err := json.Marshal(config().payload(delivery(ChannelWebhook, certificateAlert())))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{`"event":"certificate.failing"`, `"certificate":{"host":"shop.example.org"`, `"not_after":"`, `"step":"certificate"`} {
		if !strings.Contains(string(b), w) {
			t.Errorf("the webhook does not say %s:\n%s", w, b)
		}
	}
}
