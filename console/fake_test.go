package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
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
	traffic     deploy.Traffic
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

func (f *fake) Cancel(_ context.Context, app deploy.AppName, id deploy.DeploymentID, by string) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("cancel %d of %s by %s", id, app, by), app, deploy.Deployment{Cause: deploy.CausePush, By: by})
}

func (f *fake) Redeploy(_ context.Context, app deploy.AppName, _ deploy.Options, by string) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("redeploy %s by %s", app, by), app, deploy.Deployment{Cause: deploy.CauseRedeploy, By: by})
}

func (f *fake) Patch(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
	return f.do(fmt.Sprintf("patch %s", app), app, deploy.Deployment{Cause: deploy.CausePatch})
}

func (f *fake) CronTable(_ context.Context, app deploy.AppName) ([]deploy.CronEntry, error) {
	if app != "shop" {
		return nil, nil
	}
	begun := time.Now().Add(-time.Hour)
	return []deploy.CronEntry{{App: app, Release: 14, CronJob: deploy.CronJob{Name: "nightly", Schedule: "30 3 * * *"}, Last: deploy.CronRecord{
		Begun: begun, Ended: begun.Add(time.Second), Outcome: deploy.CronFailed, Reason: "exit <code> 3",
	}}}, nil
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
		Detours: func(deploy.AppName) deploy.Traffic {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.traffic
		},
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
