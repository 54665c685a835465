package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hook starts a webhook receiver, and gives the configuration to reach it.
func hook(t *testing.T, handler http.HandlerFunc) Config {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c := config()
	c.Webhook = &WebhookConfig{URL: s.URL + "/hook/s3cret-path", Timeout: 10 * time.Second}
	return c
}

func TestWebhookTellsAllAndIsSigned(t *testing.T) {
	for secret, key := range map[string]string{
		"plain words": "plain words", "whsec_" + base64.StdEncoding.EncodeToString([]byte{1, 2, 3}): "\x01\x02\x03",
	} {
		var body []byte
		var header http.Header
		c := hook(t, func(_ http.ResponseWriter, r *http.Request) {
			header = r.Header
			body, _ = io.ReadAll(r.Body)
		})
		c.Webhook.Secret = secret
		b := newBox(delivery(ChannelWebhook, pushAlert()))
		start(t, b, c)
		if row := b.written(t); row.DoneAt.IsZero() || row.GaveUp {
			t.Fatalf("not delivered: %+v", row)
		}
		var indented strings.Builder
		enc := json.NewEncoder(&indented)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(json.RawMessage(body)); err != nil {
			t.Fatal(err)
		}
		golden(t, "push.json", indented.String())
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s.%d.%s", "alert-17-8c1f@deploy.example.org", failedAt.Unix(), body)
		if got, want := header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		if header.Get("webhook-id") != "alert-17-8c1f@deploy.example.org" || header.Get("webhook-timestamp") != fmt.Sprint(failedAt.Unix()) {
			t.Errorf("headers %v", header)
		}
	}
}

func TestWebhookWithNothingServingSaysNull(t *testing.T) {
	body, err := json.Marshal(config().payload(delivery(ChannelWebhook, firstAlert())))
	if err != nil || !strings.Contains(string(body), `"serving":null`) {
		t.Errorf("%s (%v)", body, err)
	}
}

func TestWebhookAnswersDecideWhetherItIsTriedAgain(t *testing.T) {
	for code, want := range map[int]string{
		200: "done", 204: "done",
		408: "again", 429: "again", 500: "again", 503: "again",
		301: "given up", 400: "given up", 401: "given up", 404: "given up", 410: "given up",
	} {
		c := hook(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			fmt.Fprint(w, "as you\nwish")
		})
		b := newBox(delivery(ChannelWebhook, pushAlert()))
		start(t, b, c)
		row := b.written(t)
		got := "done"
		switch {
		case row.GaveUp:
			got = "given up"
		case row.DoneAt.IsZero():
			got = "again"
		}
		if got != want || got != "done" && !strings.Contains(row.LastError, fmt.Sprint(code)) {
			t.Errorf("%d: %s (%s), want %s", code, got, row.LastError, want)
		}
		if strings.Contains(row.LastError, "s3cret-path") {
			t.Errorf("%d: the path, which may be a secret, stands in %q", code, row.LastError)
		}
	}
}

func TestWebhookThatHangsOrIsAwayIsTriedAgain(t *testing.T) {
	release := make(chan struct{})
	c := hook(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	c.Webhook.Timeout = 200 * time.Millisecond
	away := config()
	away.Webhook = &WebhookConfig{URL: fmt.Sprintf("http://127.0.0.1:%d/s3cret-path", freePort(t))}
	for want, c := range map[string]Config{"no answer in time": c, "connection refused": away} {
		b := newBox(delivery(ChannelWebhook, pushAlert()))
		start(t, b, c)
		row := b.written(t)
		if !row.DoneAt.IsZero() || !strings.Contains(row.LastError, want) || strings.Contains(row.LastError, "s3cret-path") {
			t.Errorf("got %+v, want a retry with %q", row, want)
		}
	}
}

func TestMailServerThatHangsDoesNotHoldUpTheWebhook(t *testing.T) {
	got := make(chan struct{}, 1)
	c := hook(t, func(http.ResponseWriter, *http.Request) { got <- struct{}{} })
	c.Mail = to(sink(t, "-w", "30"), "none").Mail
	c.Mail.Timeout = time.Minute
	mail := delivery(ChannelMail, pushAlert())
	web := delivery(ChannelWebhook, pushAlert())
	web.ID = 2
	start(t, newBox(mail, web), c)
	select {
	case <-got:
	case <-time.After(10 * time.Second):
		t.Error("the webhook waits for the mail server")
	}
}
