package notify

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata, to the byte.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (look at the difference, then run with -update):\n%s", path, got)
	}
}

var failedAt = time.Date(2026, 11, 21, 14, 3, 22, 0, time.UTC)

// pushAlert is a second version that does not come up.
func pushAlert() deploy.Alert {
	return deploy.Alert{
		Episode: "shop/3f2a1bc/push/16", App: "shop", Deployment: 17, Cause: deploy.CausePush, Pusher: "anna",
		Commit: deploy.Commit{
			ID: "3f2a1bc0d4e5f60718293a4b5c6d7e8f90a1b2c3", Author: "Anna Example <anna@example.org>",
			Subject: "Show the cart's total with tax & shipping", At: failedAt.Add(-5 * time.Minute),
		},
		Ref: "refs/heads/main",
		Failure: deploy.Failure{
			Step: deploy.StepProbe, Reason: "probe answered 500",
			Hint: "The app came up but its answer to GET / on port 8080 was an error. Its last lines are below; run it with the same environment and ask for / to see the same.",
			Log: []string{
				"2026/11/21 14:03:18 shop listens on :8080",
				"2026/11/21 14:03:19 GET / 500: template: cart.html:14:22: executing \"cart.html\" at <.Total.Tax>: can't evaluate field Tax in type float64",
				"2026/11/21 14:03:20 GET / 500: template: cart.html:14:22: executing \"cart.html\" at <.Total.Tax>: can't evaluate field Tax in type float64",
			},
		},
		Serving: deploy.Blue, ServingV: 13, ServingSince: failedAt.Add(-29 * time.Hour), At: failedAt,
	}
}

// firstAlert is a first push that does not build.
func firstAlert() deploy.Alert {
	a := pushAlert()
	a.App, a.Deployment, a.Pusher, a.Ref = "blog", 1, "ben", "refs/heads/feature;rm"
	a.Commit.Author, a.Commit.Subject = "Ben <ben@example.org>", "First try"
	a.Failure = deploy.Failure{Step: deploy.StepBuild, Reason: "main.go:12:2: undefined: handler", Log: []string{"# blog", "./main.go:12:2: undefined: handler"}}
	a.Serving, a.ServingV, a.ServingSince = "", 0, time.Time{}
	return a
}

// returnAlert is a second version that was live, and that Teal went back from.
func returnAlert() deploy.Alert {
	a := pushAlert()
	found := deploy.Regression{
		New: deploy.Sample{Release: 14, Requests: 1204, Errors: 458, P50: 12, P99: 31},
		Old: deploy.Sample{Release: 13, Requests: 8112, Errors: 3, P50: 11, P99: 29}, Share: 100, After: 45 * time.Second,
	}
	a.Cause, a.Ref, a.ServingSince = deploy.CauseWatch, "", failedAt
	a.Failure = deploy.Failure{Step: deploy.StepWatch, Reason: found.Reason(), Regression: &found, Hint: "Mend it and push again; security patches wait until then."}
	return a
}

// gradualAlert is a second version that did badly with a part of the requests.
func gradualAlert() deploy.Alert {
	a := returnAlert()
	a.Cause, a.Ref = deploy.CausePush, "refs/heads/main"
	found := *a.Failure.Regression
	found.Share = 25
	a.Failure = deploy.Failure{Step: deploy.StepGradual, Reason: found.Reason(), Regression: &found, Log: []string{"GET /cart 500"}}
	return a
}

// patchAlert is a security patch that does not start.
func patchAlert() deploy.Alert {
	a := pushAlert()
	a.Cause, a.Pusher = deploy.CausePatch, ""
	a.Failure = deploy.Failure{Step: deploy.StepStart, Reason: "web.1 ended with exit code 127", Hint: "A program that the app needs may be gone from the new base image."}
	a.Changes = updates()
	return a
}

func updates() []deploy.Change {
	return []deploy.Change{
		{Kind: deploy.PackageDeb, Name: "libssl3", Old: "3.0.15-1", New: "3.0.17-1", Security: true, CVEs: []string{"CVE-2026-1111", "CVE-2026-2222"}},
		{Kind: deploy.PackageDeb, Name: "openssl", Old: "3.0.15-1", New: "3.0.17-1", Security: true},
		{Kind: deploy.PackageDeb, Name: "tzdata", Old: "2026b-0", New: "2026f-0"},
	}
}

// patchedAlert is a security patch that went live, updatesAlert one that waits.
func patchedAlert() deploy.Alert {
	a := patchAlert()
	a.News, a.ServingV, a.Serving, a.ServingSince = deploy.NewsPatched, 14, deploy.Green, failedAt
	a.Failure = deploy.Failure{Reason: "patched: " + deploy.Brief(a.Changes)}
	return a
}

func updatesAlert() deploy.Alert {
	a := patchAlert()
	a.News, a.Deployment = deploy.NewsUpdates, 0
	a.Failure = deploy.Failure{Reason: deploy.Pending{Changes: a.Changes}.String()}
	return a
}

func config() Config {
	return Config{
		ServerName: "deploy.example.org", SSHHint: "ssh -p 2222 deploy.example.org",
		Mail: &MailConfig{Host: "mail.example.org", From: "Teal <teal@example.org>"},
		ConsoleURL: func(app deploy.AppName, id deploy.DeploymentID) string {
			return fmt.Sprintf("https://deploy.example.org:3000/apps/%s/deployments/%d", app, id)
		},
		Recipients: func(context.Context, deploy.AppName, string) ([]string, error) {
			return []string{"anna@example.org", "owner@example.org"}, nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

func delivery(channel string, a deploy.Alert) deploy.Delivery {
	return deploy.Delivery{ID: 1, Channel: channel, MessageID: "alert-17-8c1f@deploy.example.org", Alert: a, CreatedAt: failedAt, NextAt: failedAt}
}

// box is an outbox in memory with a clock of its own.
type box struct {
	mu      sync.Mutex
	now     time.Time
	rows    []deploy.Delivery
	broken  error         // of every write
	changed chan struct{} // gets a value after each write, also a failed one
}

func newBox(rows ...deploy.Delivery) *box {
	return &box{now: failedAt, rows: rows, changed: make(chan struct{}, 1000)}
}

func (b *box) add(d deploy.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, d)
}

func (b *box) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// advance sets the clock to when the first row is due.
func (b *box) advance() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.rows[0].NextAt
}

func (b *box) Due(_ context.Context, now time.Time, limit int) ([]deploy.Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []deploy.Delivery
	for _, r := range b.rows {
		if r.DoneAt.IsZero() && !r.NextAt.After(now) && len(due) < limit {
			due = append(due, r)
		}
	}
	return due, nil
}

func (b *box) change(id int64, f func(*deploy.Delivery)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.changed <- struct{}{} }()
	if b.broken != nil {
		return b.broken
	}
	f(&b.rows[slices.IndexFunc(b.rows, func(d deploy.Delivery) bool { return d.ID == id })])
	return nil
}

func (b *box) Done(_ context.Context, id int64, at time.Time) error {
	return b.change(id, func(d *deploy.Delivery) { d.DoneAt = at })
}

func (b *box) Retry(_ context.Context, id int64, next time.Time, reason string) error {
	return b.change(id, func(d *deploy.Delivery) { d.Attempts++; d.NextAt, d.LastError = next, reason })
}

func (b *box) GiveUp(_ context.Context, id int64, at time.Time, reason string) error {
	return b.change(id, func(d *deploy.Delivery) { d.DoneAt, d.GaveUp, d.LastError = at, true, reason })
}

func (b *box) row(i int) deploy.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[i]
}

// written waits for the outbox to be written to once more, and gives the first row.
func (b *box) written(t *testing.T) deploy.Delivery {
	t.Helper()
	select {
	case <-b.changed:
		return b.row(0)
	case <-time.After(time.Minute):
		t.Fatal("nothing was written to the outbox within a minute")
		return deploy.Delivery{}
	}
}

// start runs a notifier on the box until the test ends.
func start(t *testing.T, b *box, c Config) *Notifier {
	t.Helper()
	c.Outbox, c.Now = b, b.clock
	n := New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run did not return within 30 s")
		}
	})
	return n
}
