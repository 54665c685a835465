package console

import (
	"fmt"
	"net/netip"
	"time"

	"teal/deploy"
)

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
