package commands

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The engine of the core must stay what the commands ask for.
var _ Engine = (*deploy.Engine)(nil)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const (
	commitA = "1111111aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "2222222bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commitC = "3333333ccccccccccccccccccccccccccccccccc"
)

// world is a Teal in memory: a store and an engine that keep their contracts,
// with four users (root is administrator; anna is admin of shop, dora deployer,
// vera viewer, nick nothing) and two apps (shop is live, blog is empty).
type world struct {
	t   *testing.T
	set *Set

	mu       sync.Mutex
	users    map[string]deploy.User
	keys     []deploy.Key
	rights   []deploy.Access
	apps     map[deploy.AppName]deploy.App
	releases []deploy.Release
	history  []deploy.Deployment // oldest first
	logs     map[deploy.DeploymentID][]deploy.LogLine
	outbox   []deploy.Delivery
	audit    []AuditRecord
	tokens   map[string]time.Time
	cut      []string
	broken   map[string]error // by method
	pending  deploy.Pending
	held     string

	calls     []string // of the engine: "rollback shop 12 by anna"
	begun     deploy.Deployment
	waited    deploy.Deployment
	settled   chan struct{} // Wait returns once it is closed
	instances []deploy.Instance
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, users: map[string]deploy.User{}, apps: map[deploy.AppName]deploy.App{},
		logs: map[deploy.DeploymentID][]deploy.LogLine{}, tokens: map[string]time.Time{},
		broken: map[string]error{}, settled: make(chan struct{}),
	}
	close(w.settled)
	w.set = New(Config{
		Store: w, Engine: w,
		Instances: func(context.Context) ([]deploy.Instance, error) { return w.instances, w.broken["Instances"] },
		Logs: func(_ context.Context, app deploy.AppName, follow bool, lines int, out io.Writer) error {
			fmt.Fprintf(out, "green v14.1 | %s follow=%v lines=%d\n\x1b[31mred\x1b[0m \x9b2J\u202e\n", app, follow, lines)
			return w.broken["Logs"]
		},
		Audit: func(_ context.Context, limit int) ([]AuditRecord, error) {
			newest := slices.Clone(w.audit)
			slices.Reverse(newest)
			return newest[:min(limit, len(newest))], w.broken["AuditLog"]
		},
		Cut:        func(f string) { w.cut = append(w.cut, f) },
		Hint:       Hint{SSHHost: "teal.example.com", SSHPort: 2222, ConsoleURL: "https://teal.example.com:3000"},
		URL:        func(app string) string { return "https://" + app + ".example.com" },
		PreviewURL: func(app string) string { return "https://" + app + ".example.com:8888" },
		NextPatch:  func(deploy.App) (time.Time, bool) { return noon.Add(15 * time.Hour), true },
		CheckSchedule: func(spec string) error {
			if n := len(strings.Fields(spec)); n > 1 && n != 5 && n != 6 {
				return fmt.Errorf("%w: %q is no schedule", deploy.ErrBadName, spec)
			}
			return nil
		},
		BuildPlan:       func(context.Context, deploy.AppName, string) (string, error) { return "FROM teal/static\n", nil },
		DefaultSchedule: "30 3 * * *", MailSet: true, Version: "1.2.3",
		HostFingerprints: []string{"SHA256:hosthosthost"},
		Now:              func() time.Time { return noon },
		Log:              slog.New(slog.DiscardHandler),
	})
	w.set.watch = func(deploy.DeploymentID) *feed { return nil }
	w.people()
	w.shop()
	return w
}

func (w *world) people() {
	for name, u := range map[string]deploy.User{
		"root": {Admin: true, Email: "root@example.com"}, "anna": {MayCreate: true, Email: "anna@example.com"},
		"dora": {}, "vera": {}, "nick": {},
	} {
		u.Name, u.CreatedAt = name, noon.Add(-30*24*time.Hour)
		w.users[name] = u
		w.keys = append(w.keys, deploy.Key{
			User: name, Fingerprint: "SHA256:" + name, Public: "ssh-ed25519 AAAA" + name,
			Comment: name + "@laptop", CreatedAt: u.CreatedAt, LastUsedAt: noon.Add(-time.Hour),
		})
	}
	w.keys = append(w.keys, deploy.Key{User: "anna", Fingerprint: "SHA256:anna2", Public: "ssh-rsa AAAA", CreatedAt: noon})
	w.rights = []deploy.Access{
		{User: "anna", App: "shop", Right: deploy.Admin},
		{User: "dora", App: "shop", Right: deploy.Deployer},
		{User: "vera", App: "shop", Right: deploy.Viewer},
		{User: "anna", App: "blog", Right: deploy.Admin},
	}
}

func (w *world) shop() {
	w.apps["shop"] = deploy.App{
		Name: "shop", CreatedAt: noon.Add(-48 * time.Hour), CreatedBy: "anna",
		Active: deploy.Green, Live: 14, Previous: 13, ReplacedAt: noon.Add(-3 * time.Minute),
		Domains: []string{"www.shop.test"}, Env: map[string]string{"LOG_LEVEL": "info", "SECRET": "s3cret\x1b[2Jvalue"}, BuildSecrets: map[string]string{"OLD_TOKEN": "t0ken-value"},
	}
	w.apps["blog"] = deploy.App{Name: "blog", CreatedAt: noon.Add(-time.Hour), CreatedBy: "anna"}
	for i, c := range []deploy.Commit{
		{ID: commitA, Author: "Anna <anna@example.com>", Subject: "First \u202eshop"},
		{ID: commitB, Author: "Dora <dora@example.com>", Subject: "Faster basket"},
		{ID: commitC, Author: "Anna <anna@example.com>", Subject: "Pay by card"},
	} {
		w.releases = append(w.releases, deploy.Release{
			App: "shop", Number: 12 + i, Commit: c, Image: "sha256:" + c.ID, Cause: deploy.CausePush,
			CreatedBy: "anna", CreatedAt: noon.Add(time.Duration(i-3) * time.Hour), Gone: i == 0,
		})
	}
	past := func(id deploy.DeploymentID, s deploy.State, c deploy.Color, release int, ago time.Duration) deploy.Deployment {
		r := w.releases[release-12]
		return deploy.Deployment{
			ID: id, App: "shop", Cause: deploy.CausePush, State: s, Color: c, Release: release, By: "anna",
			Push:      deploy.Push{App: "shop", Ref: "refs/heads/main", Commit: r.Commit, By: "anna"},
			CreatedAt: noon.Add(-ago), StartedAt: noon.Add(-ago), PromotedAt: noon.Add(-ago + 4*time.Second), FinishedAt: noon.Add(-ago + 5*time.Second),
		}
	}
	live := past(17, deploy.Live, deploy.Green, 14, 3*time.Minute)
	live.Receipt = &deploy.Receipt{
		Image: "sha256:" + commitC, Replaced: 13, Requests: 1204, P99Old: 12.14, P99New: 11.8, Drained: 7, Sockets: 3,
		Build: 4.2, Start: 0.4, Probe: 0.1, Switch: 1.84, Drain: 0.3, Overhead: 41,
	}
	failed := past(16, deploy.Failed, deploy.Green, 0+13, 2*time.Hour)
	failed.Release, failed.PromotedAt = 0, time.Time{}
	failed.Failure = &deploy.Failure{Step: deploy.StepProbe, Reason: "probe answered 500", Hint: "look at GET /", Log: []string{"boom"}}
	w.history = []deploy.Deployment{past(14, deploy.Replaced, deploy.Green, 12, 26*time.Hour), past(15, deploy.Asleep, deploy.Blue, 13, 3*time.Hour), failed, live}
	w.say(17, "building", "probing", "live")
	w.instances = []deploy.Instance{
		{ID: "0123456789abcdef", App: "shop", Color: deploy.Green, Release: 14, Index: 2, Exit: deploy.Exit{Code: 137, OOM: true}},
		{ID: "123456789abcdef0", App: "shop", Color: deploy.Green, Release: 14, Index: 1, Running: true},
		{ID: "23456789abcdef01", App: "shop", Color: deploy.Blue, Release: 13, Index: 1},
	}
}

// say adds lines to a deployment's log.
func (w *world) say(id deploy.DeploymentID, lines ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range lines {
		w.logs[id] = append(w.logs[id], deploy.LogLine{N: len(w.logs[id]) + 1, At: noon, Text: l})
	}
}

// begin makes the engine answer with a deployment that waits ends as end says.
func (w *world) begin(d deploy.Deployment, end func(*deploy.Deployment)) {
	d.App, d.State, d.CreatedAt, d.By = "shop", deploy.Queued, noon, "anna"
	d.Push.Commit = w.releases[2].Commit
	if d.ID == 0 {
		d.ID = 18
	}
	w.begun = d
	end(&d)
	w.waited = d
	w.history = append(w.history, d)
}

type result struct {
	exit     int
	out, err string
}

func (w *world) run(user string, args ...string) result {
	w.t.Helper()
	return w.typed(user, "", args...)
}

// typed runs a command with something on standard input.
func (w *world) typed(user, stdin string, args ...string) result {
	w.t.Helper()
	return w.within(w.t.Context(), user, stdin, args...)
}

func (w *world) within(ctx context.Context, user, stdin string, args ...string) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	exit := w.set.Run(ctx, Call{User: user, Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	r := result{exit, out.String(), errs.String()}
	for what, s := range map[string]string{"stdout": r.out, "stderr": r.err} {
		if i := strings.IndexFunc(s, unsafe); i >= 0 {
			w.t.Errorf("%s of %q has a character that a terminal may obey: %q", what, args, s[max(0, i-20):])
		}
	}
	if exit != ExitDone && !twoLines.MatchString(r.err) {
		w.t.Errorf("%q ended with %d without saying what happened and what to type next:\n%s", args, exit, r.err)
	}
	return r
}

var twoLines = regexp.MustCompile(`(?s)(^|\n)teal: [^\n]+\nnext: [^\n]+\n$`)

func unsafe(r rune) bool {
	return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// want asserts the exit code and parts of what was printed.
func (r result) want(t *testing.T, exit int, parts ...string) {
	t.Helper()
	if r.exit != exit {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.exit, exit, r.out, r.err)
	}
	for _, p := range parts {
		if !strings.Contains(r.out+r.err, p) {
			t.Errorf("nothing says %q\nstdout: %s\nstderr: %s", p, r.out, r.err)
		}
	}
}

// asked asserts what the engine was asked to do.
func (w *world) asked(calls ...string) {
	w.t.Helper()
	if !slices.Equal(w.calls, calls) {
		w.t.Errorf("the engine was asked %q, want %q", w.calls, calls)
	}
}
