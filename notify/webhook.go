package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

// Payload is the body of a webhook request: POST, application/json. The
// requests follow the Standard Webhooks specification
// (https://www.standardwebhooks.com): the header webhook-id is the same over
// all tries of one alert, webhook-timestamp is the second of this try, and
// webhook-signature is "v1," and the base64 of HMAC-SHA256 under the secret over
// "<id>.<timestamp>.<body>". An answer of 200 to 299 ends the delivery; 408,
// 429, 500 and above, and none at all have it tried again; any other gives it up.
type Payload struct {
	Event      string          `json:"event"` // "deployment.failed"; "deployment.reverted": it was live, and Teal went back; see Certificate and Changes
	ID         string          `json:"id"`    // as in webhook-id
	At         time.Time       `json:"at"`
	Text       string          `json:"text"`   // one line for people, the mail's subject; chat servers show it
	Server     string          `json:"server"` // host name of this Teal
	App        string          `json:"app"`
	Deployment int64           `json:"deployment"`
	Cause      string          `json:"cause"`             // "push", "rollback", "redeploy", "config", "security patch", "watch"
	Pusher     string          `json:"pusher,omitempty"`  // user name; none for a security patch
	Ref        string          `json:"ref,omitempty"`     // "refs/heads/main"
	Commit     *PayloadCommit  `json:"commit,omitempty"`  // what was to be deployed
	Failure    PayloadFailure  `json:"failure"`           // why it was not
	Serving    *PayloadServing `json:"serving"`           // what answers production now; null: nothing does
	Console    string          `json:"console,omitempty"` // address of the deployment's page
	// Certificate is what it is about when the event is "certificate.failing".
	Certificate *PayloadCertificate `json:"certificate,omitempty"`
	// Cron is what it is about when the event is "cron.failed".
	Cron *PayloadCron `json:"cron,omitempty"`
	// Changes are the packages of a security patch: "deployment.patched" when it went
	// live, "updates.waiting" when somebody has to decide, "deployment.failed".
	Changes []deploy.Change `json:"changes,omitempty"`
}

// PayloadCommit is the commit of a Payload.
type PayloadCommit struct {
	ID      string    `json:"id"` // 40 hex digits
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
}

// PayloadFailure is the failure of a Payload.
type PayloadFailure struct {
	Step   string   `json:"step"`            // "build", "release command", "start", "probe", "gradual promotion", "promote", "watch", "teal"
	Class  string   `json:"class,omitempty"` // what kind of failure, for programs: see deploy.Class
	Reason string   `json:"reason"`          // one line
	Hint   string   `json:"hint,omitempty"`
	Log    []string `json:"log"` // the last lines, secrets redacted
	// Regression holds the figures when a comparison with the other color decided.
	Regression *deploy.Regression `json:"regression,omitempty"`
}

// PayloadServing is what serves, in a Payload.
type PayloadServing struct {
	Color   string    `json:"color"`
	Release int       `json:"release"`
	Since   time.Time `json:"since"`
}

// post delivers one alert to the webhook. See Notifier.try for what it returns.
func (n *Notifier) post(ctx context.Context, d deploy.Delivery) (retry bool, err error) {
	body, err := json.Marshal(n.c.payload(d))
	if err != nil {
		return false, fmt.Errorf("cannot write the webhook's body: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(n.c.Webhook.Timeout, 15*time.Second))
	defer cancel()
	req, err := n.c.request(ctx, d, body)
	if err != nil {
		return true, err
	}
	// Its own connection each time: alerts are rare, and nothing idle is left over.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport,
		// A body that is signed for one address is not carried to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return true, &unreachable{fmt.Errorf("cannot reach the webhook at %s: %w", req.URL.Host, timely(ctx, bare(err)))}
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 200))
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	default:
		err := fmt.Errorf("the webhook at %s answered %d %s", req.URL.Host, code, deploy.Clean(strings.TrimSpace(string(said)), 100))
		return code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooManyRequests, err
	}
}

func (c Config) request(ctx context.Context, d deploy.Delivery, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Webhook.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("webhook.url: %w", bare(err))
	}
	id, now := c.messageID(d), strconv.FormatInt(c.clockNow().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "teal")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", now)
	key, err := c.Webhook.key()
	if err != nil {
		return nil, err
	}
	if len(key) > 0 {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, now, body)
		req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return req, nil
}

// key is the secret as bytes.
func (w WebhookConfig) key() ([]byte, error) {
	encoded, found := strings.CutPrefix(w.Secret, "whsec_")
	if !found {
		return []byte(w.Secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("webhook.secret begins with whsec_, but base64 does not follow")
	}
	return key, nil
}

func (c Config) clockNow() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// bare takes the address out of an error: it may hold a secret.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func (c Config) payload(d deploy.Delivery) Payload {
	a, f := d.Alert, c.describe(d.Alert)
	p := Payload{
		Event: "deployment.failed", ID: c.messageID(d), At: a.At.UTC(), Text: f.Subject, Server: f.Server,
		App: string(a.App), Deployment: int64(a.Deployment), Cause: string(a.Cause),
		Pusher: deploy.Clean(a.Pusher, 60), Ref: deploy.Clean(a.Ref, 200), Console: c.link(a),
		Failure: PayloadFailure{
			Step: string(a.Failure.Step), Class: string(a.Failure.Class), Reason: deploy.Clean(a.Failure.Reason, 400), Hint: f.Hint,
			Log:        append([]string{}, f.Log...), // [], never null
			Regression: a.Failure.Regression,
		},
	}
	if returned(a) {
		p.Event = "deployment.reverted"
	}
	if a.Commit.ID != "" {
		p.Commit = &PayloadCommit{
			ID: deploy.Clean(a.Commit.ID, 64), Author: deploy.Clean(a.Commit.Author, 120),
			Subject: deploy.Clean(a.Commit.Subject, 200), At: a.Commit.At.UTC(),
		}
	}
	p.Changes = a.Changes
	switch a.News {
	case deploy.NewsPatched:
		p.Event = "deployment.patched"
	case deploy.NewsUpdates:
		p.Event = "updates.waiting"
	}
	if a.Certificate != nil {
		p.Event, p.Certificate = "certificate.failing", certificateOf(*a.Certificate)
	}
	if a.Cron != nil {
		p.Event, p.Cron, p.Console = "cron.failed", cronOf(*a.Cron), ""
	}
	if a.ServingV != 0 {
		p.Serving = &PayloadServing{Color: string(a.Serving), Release: a.ServingV, Since: a.ServingSince.UTC()}
	}
	return p
}
