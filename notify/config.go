package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"teal/deploy"
)

// Config is what a Notifier is made of.
type Config struct {
	Outbox Outbox
	// Recipients gives the mail addresses to tell of an app's failure: the
	// pusher ("": nobody) and the app's owners.
	Recipients func(ctx context.Context, app deploy.AppName, pusher string) ([]string, error)

	Mail    *MailConfig    // nil: no mail
	Webhook *WebhookConfig // nil: no webhook

	// ServerName is this server's host name: in Message-IDs, EHLO and texts; "": localhost.
	ServerName string
	// SSHHint is how a person reaches this server: "ssh -p 2222 deploy.example.org";
	// "": that, with ServerName.
	SSHHint string
	// ConsoleURL gives the address of a deployment's page; nil: there is none.
	ConsoleURL func(app deploy.AppName, id deploy.DeploymentID) string
	// TimeZone is the one that times are written in; nil: UTC.
	TimeZone *time.Location

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // the clock; nil: time.Now
}

// MailConfig says how mail is sent.
type MailConfig struct {
	Host string // of the mail server; "": no mail
	Port int    // 0: 587 for starttls, 465 for tls, 25 for none
	// Username and Password log in; both "": without.
	Username, Password string
	// TLS is "starttls" ("": the same; a server without it is refused), "tls"
	// (from the first byte), or "none" (no password is ever sent so, but to loopback).
	TLS string
	// From is the sender, "Teal <teal@example.org>"; "": teal@ServerName.
	From string
	// Timeout bounds one delivery as a whole; 0: 30 seconds.
	Timeout time.Duration
	// CAFile is a PEM file of certificates to trust beside the system's; "": none.
	// It is read at each delivery, so a renewed one needs no restart.
	CAFile string
}

// WebhookConfig says where alerts are posted as JSON.
type WebhookConfig struct {
	URL string // http or https; "": no webhook
	// Secret signs each request (see Payload); "": unsigned. One that begins with
	// "whsec_" is base64, as in the Standard Webhooks specification.
	Secret  string
	Timeout time.Duration // of one request; 0: 15 seconds
}

// The channels, as they stand in the outbox.
const (
	ChannelMail    = "mail"
	ChannelWebhook = "webhook"
)

// Check finds mistakes in the configuration that can be seen without sending
// anything. The error names the setting.
func (c Config) Check() error {
	var errs []error
	if c.Mail != nil && c.Mail.Host != "" {
		errs = append(errs, c.Mail.check(c.ServerName))
	}
	if c.Webhook != nil && c.Webhook.URL != "" {
		errs = append(errs, c.Webhook.check())
	}
	return errors.Join(errs...)
}

func (m MailConfig) check(server string) error {
	if _, err := m.sender(server); err != nil {
		return err
	}
	switch {
	case m.TLS != "" && m.TLS != "starttls" && m.TLS != "tls" && m.TLS != "none":
		return fmt.Errorf("mail.tls is %q: use starttls, tls or none", deploy.Clean(m.TLS, 40))
	case m.Port < 0 || m.Port > 65535:
		return fmt.Errorf("mail.port is %d: use 1 to 65535", m.Port)
	case (m.Username == "") != (m.Password == ""):
		return errors.New("mail.username and mail.password belong together: one of them is not set")
	case m.TLS == "none" && m.Username != "" && !m.loopback():
		return fmt.Errorf("mail.tls is none, so the password would travel to %s for all to read: use starttls or tls", m.Host)
	}
	_, err := m.tlsConfig()
	return err
}

// sender is From as it is used.
func (m MailConfig) sender(server string) (*mail.Address, error) {
	from := m.From
	if from == "" {
		from = "Teal <teal@" + server + ">"
	}
	a, err := mail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("mail.from is %q, which is not an address such as \"Teal <teal@example.org>\": %w", deploy.Clean(from, 100), err)
	}
	return a, nil
}

func (m MailConfig) port() int {
	switch {
	case m.Port != 0:
		return m.Port
	case m.TLS == "tls":
		return 465
	case m.TLS == "none":
		return 25
	default:
		return 587
	}
}

func (m MailConfig) loopback() bool {
	ip := net.ParseIP(m.Host)
	return m.Host == "localhost" || ip != nil && ip.IsLoopback()
}

func (m MailConfig) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12}
	if m.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(m.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read mail.ca_file: %w", err)
	}
	if c.RootCAs, err = x509.SystemCertPool(); err != nil {
		c.RootCAs = x509.NewCertPool()
	}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mail.ca_file %s holds no certificate", m.CAFile)
	}
	return c, nil
}

func (w WebhookConfig) check() error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("webhook.url is not an address such as https://example.org/hook") // it may hold a secret: not shown
	}
	_, err = w.key()
	return err
}

// Channels lists the channels that are set, for the store, which makes one
// outbox row for each when an alert comes up.
func (c Config) Channels() []string {
	var set []string
	if c.Mail != nil && c.Mail.Host != "" {
		set = append(set, ChannelMail)
	}
	if c.Webhook != nil && c.Webhook.URL != "" {
		set = append(set, ChannelWebhook)
	}
	return set
}

// Summary is one line for the start-up log: where alerts go.
func (c Config) Summary() string {
	var to []string
	for _, channel := range c.Channels() {
		switch channel {
		case ChannelMail:
			how := map[string]string{"": "STARTTLS", "starttls": "STARTTLS", "tls": "TLS", "none": "without encryption"}[c.Mail.TLS]
			to = append(to, fmt.Sprintf("by mail through %s (%s)", net.JoinHostPort(c.Mail.Host, fmt.Sprint(c.Mail.port())), how))
		case ChannelWebhook:
			host := "the address in webhook.url"
			if u, err := url.Parse(c.Webhook.URL); err == nil {
				host = u.Host
			}
			to = append(to, "by webhook to "+host)
		}
	}
	if len(to) == 0 {
		return "alerts: no mail server is set; they stand in the console and in the log (set mail.host to have them mailed)"
	}
	return "alerts: " + strings.Join(to, " and ")
}
