package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

// failing is a configuration whose deliveries fail before they leave the process.
func failing(err error, tries *[]time.Time) Config {
	c := config()
	c.Recipients = func(context.Context, deploy.AppName, string) ([]string, error) {
		*tries = append(*tries, time.Now())
		return nil, err
	}
	return c
}

// through runs a notifier in a bubble, on the bubble's clock.
func through(t *testing.T, b *box, c Config, d time.Duration) {
	t.Helper()
	c.Outbox, c.Now = b, time.Now
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(c).Run(ctx) }()
	time.Sleep(d)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestTriesComeLessAndLessOftenForThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := delivery(ChannelMail, pushAlert())
		d.CreatedAt, d.NextAt = time.Now(), time.Now()
		b := newBox(d)
		var tries []time.Time
		through(t, b, failing(errors.New("database is locked"), &tries), 5*24*time.Hour)
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			want *= time.Minute
			if got := tries[i+1].Sub(tries[i]); got < want || got > want*6/5+look {
				t.Errorf("pause %d is %s, want %s and up to a fifth more", i+1, got, want)
			}
		}
		row := b.row(0)
		if age := row.DoneAt.Sub(row.CreatedAt); !row.GaveUp || age < maxAge || age > maxAge+2*time.Hour {
			t.Errorf("given up %t after %s, want three days", row.GaveUp, age)
		}
		if want := "given up after three days: cannot look up whom to tell: database is locked"; row.LastError != want {
			t.Errorf("reason %q, want %q", row.LastError, want)
		}
	})
}

func TestClockThatJumpsAWeekThrowsNoAlertAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := delivery(ChannelMail, pushAlert())
		d.CreatedAt, d.NextAt = time.Now().Add(-7*24*time.Hour), time.Now()
		b := newBox(d)
		var tries []time.Time
		through(t, b, failing(errors.New("no route to host"), &tries), 2*time.Hour)
		if row := b.row(0); row.GaveUp || row.Attempts < 5 {
			t.Errorf("got %+v, want it still tried", row)
		}
	})
}

func TestPanicInADeliveryIsSurvivedAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := delivery(ChannelMail, pushAlert())
		d.CreatedAt, d.NextAt = time.Now(), time.Now()
		b := newBox(d)
		c := config()
		calls := 0
		c.Recipients = func(context.Context, deploy.AppName, string) ([]string, error) {
			if calls++; calls == 1 {
				panic("index out of range")
			}
			return nil, nil
		}
		through(t, b, c, time.Hour)
		row := b.row(0)
		if calls != 2 || !row.GaveUp || !strings.Contains(row.LastError, "nobody to tell: neither the pusher nor an owner of shop") {
			t.Errorf("%d calls, row %+v", calls, row)
		}
	})
}

func TestManyAlertsAreAllDelivered(t *testing.T) {
	server := serve(t, 0, nil)
	var rows []deploy.Delivery
	for i := range 3*batch + 1 {
		d := delivery(ChannelMail, pushAlert())
		d.ID, d.MessageID = int64(i+1), fmt.Sprintf("alert-%d@deploy.example.org", i+1)
		rows = append(rows, d)
	}
	b := newBox(rows...)
	start(t, b, to(server.port, "none"))
	for range rows {
		b.written(t)
	}
	ids := map[string]bool{}
	for _, m := range server.all() {
		ids[m.msg.Header.Get("Message-Id")] = true
	}
	if len(ids) != len(rows) || len(server.all()) != len(rows) {
		t.Errorf("%d mails with %d Message-IDs for %d alerts", len(server.all()), len(ids), len(rows))
	}
}

func TestFullDiskDoesNotSendAMailTwice(t *testing.T) {
	server := serve(t, 0, nil)
	b := newBox(delivery(ChannelMail, pushAlert()))
	b.broken = errors.New("database or disk is full")
	n := start(t, b, to(server.port, "none"))
	b.written(t)
	n.Wake()
	b.written(t)
	b.mu.Lock()
	b.broken = nil
	b.mu.Unlock()
	n.Wake()
	for row := b.written(t); row.DoneAt.IsZero(); row = b.written(t) {
		n.Wake()
	}
	if got := len(server.all()); got != 1 {
		t.Errorf("%d mails went out", got)
	}
}

func TestChannelThatWasTakenAwayKeepsItsAlerts(t *testing.T) {
	b := newBox(delivery(ChannelWebhook, pushAlert()))
	start(t, b, config())
	if row := b.written(t); !row.DoneAt.IsZero() || row.LastError != `the channel "webhook" is not set up any more` {
		t.Errorf("got %+v", row)
	}
}

func TestWithoutAChannelTheLogHasTheAlert(t *testing.T) {
	var log bytes.Buffer
	n := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	n.Told(deploy.Event{App: "shop", Deployment: 17, State: deploy.Building, Text: "build begins"})
	n.Told(deploy.Event{App: "shop", Deployment: 17, State: deploy.Failed, Text: "probe failed: probe answered 500"})
	got := log.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "probe answered 500") || !strings.Contains(got, "deployment=17") {
		t.Errorf("the log says %q", got)
	}
}

func TestEveryEventMakesTheOutboxBeLookedInto(t *testing.T) {
	server := serve(t, 0, nil)
	b := newBox()
	n := start(t, b, to(server.port, "none"))
	for _, state := range []deploy.State{deploy.Failed, deploy.Draining, ""} { // a return by the watch drains; a scheduled command has no state
		d := delivery(ChannelMail, pushAlert())
		d.ID, d.MessageID = int64(len(server.all())+1), "alert-"+string(state)+"@deploy.example.org"
		b.add(d)
		n.Told(deploy.Event{App: "shop", Deployment: 17, State: state})
		b.written(t)
	}
}

func TestSummarySaysWhereAlertsGo(t *testing.T) {
	for want, c := range map[string]Config{
		"alerts: no mail server is set; they stand in the console and in the log (set mail.host to have them mailed)": {Mail: &MailConfig{}},
		"alerts: by mail through mail.example.org:587 (STARTTLS)":                                                     {Mail: &MailConfig{Host: "mail.example.org"}},
		"alerts: by mail through mail.example.org:465 (TLS) and by webhook to chat.example.org": {
			Mail: &MailConfig{Host: "mail.example.org", TLS: "tls"}, Webhook: &WebhookConfig{URL: "https://chat.example.org/hook/s3cret"},
		},
	} {
		if got := New(c).Summary(); got != want {
			t.Errorf("summary %q, want %q", got, want)
		}
	}
	both := Config{Mail: &MailConfig{Host: "mail.example.org"}, Webhook: &WebhookConfig{URL: "https://chat.example.org/"}}
	if got := New(both).Channels(); !slices.Equal(got, []string{"mail", "webhook"}) {
		t.Errorf("channels %q", got)
	}
}

func TestMistakesInTheConfigurationAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`mail.tls is "ssl"`: func(c *Config) { c.Mail.TLS = "ssl" },
		"mail.port":         func(c *Config) { c.Mail.Port = 70000 },
		"mail.from":         func(c *Config) { c.Mail.From = "teal" },
		"belong together":   func(c *Config) { c.Mail.Username = "teal" },
		"for all to read":   func(c *Config) { c.Mail.Username, c.Mail.Password, c.Mail.TLS = "teal", "x", "none" },
		"mail.ca_file":      func(c *Config) { c.Mail.CAFile = "/nonexistent.pem" },
		"webhook.url":       func(c *Config) { c.Webhook = &WebhookConfig{URL: "ftp://example.org/s3cret"} },
		"webhook.secret":    func(c *Config) { c.Webhook = &WebhookConfig{URL: "https://example.org/", Secret: "whsec_???"} },
	} {
		c := config()
		change(&c)
		err := c.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := config().Check(); err != nil {
		t.Errorf("a good configuration is refused: %v", err)
	}
}
