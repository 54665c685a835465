package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// fake is a store, a directory and an engine in memory. Its engine only
// records what it was asked; the test moves deployments on.
type fake struct {
	mu          sync.Mutex
	users       map[string]deploy.User
	rights      map[string]deploy.Right // "user/app"
	apps        map[deploy.AppName]deploy.App
	releases    map[string]deploy.Release // "app/number"
	deployments map[deploy.DeploymentID]deploy.Deployment
	logs        map[deploy.DeploymentID][]deploy.LogLine
	events      []deploy.Event
	deliveries  []deploy.Delivery
	tokens      map[string]string // one-time token → user
	sessions    map[string]string // token → user
	expires     time.Time         // of the last session
	audit       []string
	calls       []string // what the engine was asked
	refuse      error    // what the engine answers, when not nil
	watchers    map[deploy.DeploymentID][]chan deploy.LogLine
	subs        []chan deploy.Event
	instances   []deploy.Instance
	away        error
}

func (f *fake) RedeemLoginToken(_ context.Context, token string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user, ok := f.tokens[token]
	if !ok {
		return "", deploy.ErrNotFound
	}
	delete(f.tokens, token)
	return user, nil
}

func (f *fake) CreateSession(_ context.Context, user string, expires time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := rand.Text()
	f.sessions[token], f.expires = user, expires
	return token, nil
}

func (f *fake) Session(_ context.Context, token string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return found(f.sessions, token)
}

func (f *fake) DeleteSession(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, token)
	return nil
}

func (f *fake) User(_ context.Context, name string) (deploy.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return found(f.users, name)
}

func (f *fake) RightOf(_ context.Context, user string, app deploy.AppName) (deploy.Right, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rights[user+"/"+string(app)], nil
}

func (f *fake) Audit(_ context.Context, user string, verb deploy.Verb, app deploy.AppName, allowed bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.audit = append(f.audit, fmt.Sprintf("%s %s %s %v", user, verb, app, allowed))
	return nil
}

func (f *fake) AppsOf(_ context.Context, user string) ([]deploy.App, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []deploy.App
	for _, a := range f.apps {
		if f.users[user].Admin || f.rights[user+"/"+string(a.Name)] != "" {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b deploy.App) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (f *fake) App(_ context.Context, name deploy.AppName) (deploy.App, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return found(f.apps, name)
}

func (f *fake) Release(_ context.Context, app deploy.AppName, number int) (deploy.Release, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return found(f.releases, fmt.Sprintf("%s/%d", app, number))
}

func (f *fake) Deployment(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return found(f.deployments, id)
}

func (f *fake) Deployments(_ context.Context, app deploy.AppName, before deploy.DeploymentID, limit int) ([]deploy.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []deploy.Deployment
	for _, d := range f.deployments {
		if d.App == app && (before == 0 || d.ID < before) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b deploy.Deployment) int { return cmp.Compare(b.ID, a.ID) })
	return out[:min(limit, len(out))], nil
}

func (f *fake) Log(_ context.Context, id deploy.DeploymentID, after, limit int) ([]deploy.LogLine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []deploy.LogLine
	for _, l := range f.logs[id] {
		if l.N > after && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, nil
}

func (f *fake) Events(_ context.Context, app deploy.AppName, limit int) ([]deploy.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []deploy.Event
	for _, e := range slices.Backward(f.events) {
		if (app == "" || e.App == app) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *fake) Deliveries(_ context.Context, limit int) ([]deploy.Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.deliveries)
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

// The engine.

func (f *fake) do(call string, app deploy.AppName, d deploy.Deployment) (deploy.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return deploy.Deployment{}, f.refuse
	}
	f.calls = append(f.calls, call)
	d.App, d.State, d.CreatedAt, d.StartedAt = app, deploy.Starting, now(), now()
	for id := range f.deployments {
		d.ID = max(d.ID, id+1)
	}
	f.deployments[d.ID] = d
	return d, nil
}

func (f *fake) Rollback(_ context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error) {
	r, _ := f.Release(context.Background(), app, release)
	a, _ := f.App(context.Background(), app)
	return f.do(fmt.Sprintf("rollback %s to %d by %s", app, release, by), app, deploy.Deployment{
		Cause: deploy.CauseRollback, Target: release, Release: release, Color: a.Idle(), By: by, Push: deploy.Push{Commit: r.Commit},
	})
}

func (f *fake) Promote(_ context.Context, app deploy.AppName, by string) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("promote %s by %s", app, by), app, deploy.Deployment{Cause: deploy.CausePush, By: by})
}

func (f *fake) Cancel(_ context.Context, app deploy.AppName, by string) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("cancel %s by %s", app, by), app, deploy.Deployment{Cause: deploy.CausePush, By: by})
}

func (f *fake) Redeploy(_ context.Context, app deploy.AppName, _ deploy.Options, by string) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("redeploy %s by %s", app, by), app, deploy.Deployment{Cause: deploy.CauseRedeploy, By: by})
}

func (f *fake) Patch(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("patch %s", app), app, deploy.Deployment{Cause: deploy.CausePatch})
}

func (f *fake) Watch(deploy.DeploymentID) *deploy.Watcher { panic("the console uses the tap") }

func (f *fake) Subscribe(deploy.AppName) *deploy.Subscription        { panic("the console uses the tap") }
func (f *fake) Instances(context.Context) ([]deploy.Instance, error) { return f.instances, f.away }

func (f *fake) watch(id deploy.DeploymentID) *tap[deploy.LogLine] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.deployments[id].State.Running() {
		return nil
	}
	c := make(chan deploy.LogLine, 4096)
	lines := f.logs[id]
	for _, l := range lines[max(0, len(lines)-1000):] {
		c <- l
	}
	f.watchers[id] = append(f.watchers[id], c)
	return &tap[deploy.LogLine]{C: c, Dropped: func() bool { return false }, Close: func() {}}
}

func (f *fake) subscribe(deploy.AppName) *tap[deploy.Event] {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan deploy.Event, 256)
	f.subs = append(f.subs, c)
	return &tap[deploy.Event]{C: c, Close: func() {}}
}

// say adds a line to a log and tells its watchers.
func (f *fake) say(id deploy.DeploymentID, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := deploy.LogLine{N: len(f.logs[id]) + 1, At: now(), Text: text}
	f.logs[id] = append(f.logs[id], l)
	for _, c := range f.watchers[id] {
		c <- l
	}
}

// move changes a deployment's state with its event; a settled one loses its watchers.
func (f *fake) move(id deploy.DeploymentID, s deploy.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.deployments[id]
	d.State = s
	if s == deploy.Promoting {
		d.PromotedAt, d.FinishedAt = now(), now()
	}
	f.deployments[id] = d
	e := deploy.Event{ID: int64(len(f.events) + 1), At: now(), App: d.App, Deployment: id, State: s, Text: fmt.Sprintf("deployment %d is %s", id, s)}
	f.events = append(f.events, e)
	for _, c := range f.subs {
		c <- e
	}
	if !s.Running() {
		for _, c := range f.watchers[id] {
			close(c)
		}
		delete(f.watchers, id)
	}
}

func (f *fake) setApp(name deploy.AppName, change func(*deploy.App)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.apps[name]
	change(&a)
	f.apps[name] = a
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func found[K comparable, V any](m map[K]V, k K) (V, error) {
	v, ok := m[k]
	if !ok {
		return v, fmt.Errorf("%v: %w", k, deploy.ErrNotFound)
	}
	return v, nil
}

// now is the clock of the tests' world; the browser's countdown needs the real one.
var now = time.Now

// newFake is a small world: anna may deploy shop, vera may look at it, olaf has
// nothing, root is an admin. shop serves v14 on green, v13 is warm on blue.
// blog is another app, root's.
func newFake() *fake {
	f := &fake{
		users: map[string]deploy.User{
			"anna": {Name: "anna"}, "vera": {Name: "vera"}, "olaf": {Name: "olaf"}, "root": {Name: "root", Admin: true},
		},
		rights:      map[string]deploy.Right{"anna/shop": deploy.Deployer, "vera/shop": deploy.Viewer},
		apps:        map[deploy.AppName]deploy.App{},
		releases:    map[string]deploy.Release{},
		deployments: map[deploy.DeploymentID]deploy.Deployment{},
		logs:        map[deploy.DeploymentID][]deploy.LogLine{},
		tokens:      map[string]string{},
		sessions:    map[string]string{},
		watchers:    map[deploy.DeploymentID][]chan deploy.LogLine{},
	}
	ago := func(d time.Duration) time.Time { return now().Add(-d) }
	f.apps["shop"] = deploy.App{
		Name: "shop", Active: deploy.Green, Live: 14, Previous: 13, ReplacedAt: ago(100 * time.Second), CreatedBy: "anna",
		Domains: []string{"shop.example.com", "www.shop.example.com"}, Env: map[string]string{"DATABASE_URL": "postgres://very-secret", "MODE": "fast"},
	}
	f.apps["blog"] = deploy.App{Name: "blog", Active: deploy.Blue, Live: 1, ReplacedAt: ago(50 * time.Hour), CreatedBy: "root"}
	f.addRelease("shop", 12, "77c01de", "Show prices with tax", ago(72*time.Hour))
	f.addRelease("shop", 13, "3f2a1bc", "Fix cart total when a voucher is removed", ago(26*time.Hour))
	f.addRelease("shop", 14, "9a8b7c6", "Speed up search", ago(3*time.Minute))
	f.addRelease("blog", 1, "1111111", "Secret words of the blog", ago(51*time.Hour))
	f.addDeployment(deploy.Deployment{ID: 39, App: "blog", Cause: deploy.CausePush, State: deploy.Live, Release: 1, Color: deploy.Blue, By: "root", CreatedAt: ago(50 * time.Hour)}, "1111111", "Secret words of the blog")
	f.addDeployment(deploy.Deployment{ID: 40, App: "shop", Cause: deploy.CausePush, State: deploy.Warm, Release: 13, Color: deploy.Blue, By: "ben", Replaces: 12, CreatedAt: ago(26 * time.Hour)}, "3f2a1bc", "Fix cart total when a voucher is removed")
	f.addDeployment(deploy.Deployment{
		ID: 41, App: "shop", Cause: deploy.CausePush, State: deploy.Failed, Color: deploy.Green, By: "anna", CreatedAt: ago(4 * time.Hour),
		Failure: &deploy.Failure{
			Step: deploy.StepProbe, Reason: "probe answered 500", Hint: "Look at the lines below; try it on your machine, then push again.\nssh -p 2222 teal.example.com logs shop",
			Log: []string{"listening on :8080", "GET / 500 no such table: carts", "GET / 500 no such table: carts"},
		},
	}, "e4d5c6b", "Move carts to their own table")
	f.addDeployment(deploy.Deployment{
		ID: 42, App: "shop", Cause: deploy.CausePush, State: deploy.Live, Release: 14, Color: deploy.Green, By: "anna", Replaces: 13, CreatedAt: ago(3 * time.Minute),
		Receipt: &deploy.Receipt{
			Image: "sha256:5e5bce4fd8a1b9d2c37f7a1be8dd9a0b1c6a7d38e3f1b2c4d5e6f708192a3b4c", Replaced: 13, Requests: 18234, P99Old: 12.4, P99New: 13.1,
			Drained: 41, Sockets: 7, Build: 38.2, Start: .36, Probe: .51, Switch: .8, Drain: 1.4, Overhead: 112,
		},
	}, "9a8b7c6", "Speed up search")
	for i, text := range []string{"shop: push of 9a8b7c6 to main by anna", "Step 1/4: FROM teal/go:1.26", "Step 2/4: COPY . .", "Step 3/4: RUN go build", "#7 \x1b[32mDONE\x1b[0m 36.1s", "starting v14 on green", "probe: 200 after 510 ms", "v14 is live on green (replaces v13 on blue)"} {
		f.logs[42] = append(f.logs[42], deploy.LogLine{N: i + 1, At: ago(3*time.Minute - time.Duration(i)*5*time.Second), Text: text})
	}
	for _, s := range []struct {
		state deploy.State
		after time.Duration
	}{{deploy.Queued, 0}, {deploy.Building, 20 * time.Millisecond}, {deploy.Starting, 38 * time.Second}, {deploy.Probing, 38400 * time.Millisecond}, {deploy.Promoting, 38900 * time.Millisecond}, {deploy.Draining, 38901 * time.Millisecond}, {deploy.Live, 40300 * time.Millisecond}} {
		f.events = append(f.events, deploy.Event{ID: int64(len(f.events) + 1), At: ago(3 * time.Minute).Add(s.after), App: "shop", Deployment: 42, State: s.state, By: "anna", Text: "deployment 42 is " + string(s.state)})
	}
	f.events = append(f.events, deploy.Event{ID: int64(len(f.events) + 1), At: now(), App: "blog", Text: "secret event of the blog"})
	f.instances = []deploy.Instance{
		{ID: "a", App: "shop", Color: deploy.Green, Release: 14, Index: 1, Running: true, Addr: netip.MustParseAddrPort("10.210.0.3:8080")},
		{ID: "b", App: "shop", Color: deploy.Green, Release: 14, Index: 2, Running: true, Addr: netip.MustParseAddrPort("10.210.0.4:8080")},
		{ID: "c", App: "shop", Color: deploy.Blue, Release: 13, Index: 1, Running: true, Addr: netip.MustParseAddrPort("10.210.0.2:8080")},
	}
	alert := deploy.Alert{Episode: "shop/e4d5c6b", App: "shop", Deployment: 41, Commit: deploy.Commit{ID: "e4d5c6b000"}, Failure: *f.deployments[41].Failure}
	f.deliveries = []deploy.Delivery{
		{ID: 1, Channel: "mail", Alert: alert, Attempts: 1, CreatedAt: ago(4 * time.Hour), DoneAt: ago(4 * time.Hour)},
		{ID: 2, Channel: "webhook", Alert: alert, Attempts: 3, CreatedAt: ago(4 * time.Hour), NextAt: now().Add(12 * time.Minute), LastError: "POST https://hooks.example.com: 503 Service Unavailable"},
		{ID: 3, Channel: "mail", Alert: deploy.Alert{App: "blog", Deployment: 39, Failure: deploy.Failure{Step: "build", Reason: "secret reason of the blog"}}, CreatedAt: now()},
	}
	return f
}

func (f *fake) addRelease(app deploy.AppName, n int, commit, text string, at time.Time) {
	f.releases[fmt.Sprintf("%s/%d", app, n)] = deploy.Release{
		App: app, Number: n, Commit: deploy.Commit{ID: commit + "0123456789abcdef0123456789abcdef0", Author: "Anna Berg <anna@example.com>", Subject: text, At: at},
		CreatedAt: at, CreatedBy: "anna", Settings: deploy.DefaultSettings(),
	}
}

func (f *fake) addDeployment(d deploy.Deployment, commit, text string) {
	d.Push.App, d.Push.Ref = d.App, "refs/heads/main"
	d.Push.Commit = deploy.Commit{ID: commit + "0123456789abcdef0123456789abcdef0", Author: "Anna Berg <anna@example.com>", Subject: text, At: d.CreatedAt}
	d.StartedAt = d.CreatedAt.Add(20 * time.Millisecond)
	if !d.State.Running() {
		d.FinishedAt = d.StartedAt.Add(39 * time.Second)
	}
	if d.State.Committed() {
		d.PromotedAt = d.FinishedAt
	}
	f.deployments[d.ID] = d
}

// serve starts a console on the world.
func serve(t *testing.T, f *fake, change ...func(*Console)) *httptest.Server {
	t.Helper()
	c := newConsole(f)
	for _, do := range change {
		do(c)
	}
	s := httptest.NewUnstartedServer(c.Handler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func newConsole(f *fake) *Console {
	c := New(Config{
		Store: f, Engine: f,
		Authorize: func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error {
			return deploy.Authorize(ctx, f, user, verb, app)
		},
		Instances: f.Instances,
		Figures: func(app deploy.AppName, release int) deploy.Figures {
			switch {
			case app == "shop" && release == 14:
				return deploy.Figures{Requests: 18234, InFlight: 3, Sockets: 7, P99: 13.1}
			case app == "shop" && release == 13:
				return deploy.Figures{Requests: 904113, Failed: 2}
			}
			return deploy.Figures{}
		},
		ProductionURL:    func(app deploy.AppName) string { return "http://" + string(app) + ".localhost/" },
		PreviewURL:       func(app deploy.AppName) string { return "http://" + string(app) + ".localhost:8888/" },
		NextPatch:        func(deploy.AppName) (time.Time, bool) { return now().Add(9*time.Hour + time.Minute), true },
		SSHHint:          "ssh -p 2222 teal.example.com",
		GitRemote:        func(app deploy.AppName) string { return "ssh://teal.example.com:2222/" + string(app) },
		HostFingerprints: []string{"SHA256:ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og (ed25519)"},
		AlertsSummary:    "Alerts go by mail through smtp.example.com, and to one webhook.",
		Log:              slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	c.watch, c.subscribe = f.watch, f.subscribe
	return c
}
