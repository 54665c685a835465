package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// realWorld is a world whose pushes go to the real core, on these repositories.
type realWorld struct {
	*world
	core   *deploytest.World
	daemon *deploytest.Daemon
}

// newRealWorld starts one. Every build takes that long, or ends when it is told to.
func newRealWorld(t testing.TB, build time.Duration) *realWorld {
	t.Helper()
	core := deploytest.New(t)
	core.Settings.StartTimeout, core.Settings.ProbeTimeout = 30*time.Second, 10*time.Second // twenty starts at once on a busy machine
	core.Building = func(ctx context.Context, _ deploy.BuildRequest, _ io.Writer) error {
		select {
		case <-time.After(build):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	late := &struct{ *Repos }{} // those of the world that is made next
	core.Repositories = late
	daemon := core.Open()
	apps := &coreApps{rights: newMemory(), core: core.Store}
	w := newWorld(t, func(c *Config, r *ReposConfig) {
		c.Engine, c.Apps = daemon.Engine, apps
		c.Limits.Handshakes, c.Limits.HandshakesPerAddress = 64, 64
		r.Limits = c.Limits
	})
	late.Repos, apps.rights = w.repos, w.store
	return &realWorld{w, core, daemon}
}

// coreApps are the core's apps; who made one is its admin.
type coreApps struct {
	rights *memory
	core   *deploytest.Store
}

func (a *coreApps) App(ctx context.Context, name deploy.AppName) (deploy.App, error) {
	return a.core.App(ctx, name)
}

func (a *coreApps) CreateApp(ctx context.Context, app deploy.App) error {
	if err := a.rights.CreateApp(ctx, app); err != nil {
		return err
	}
	a.core.PutApp(app)
	return nil
}

// deployments gives those of an app, in the order in which they were accepted.
func (w *realWorld) deployments(app deploy.AppName) (all []deploy.Deployment) {
	w.t.Helper()
	for id := deploy.DeploymentID(1); ; id++ {
		d, err := w.core.Store.Deployment(w.t.Context(), id)
		if errors.Is(err, deploy.ErrNotFound) {
			return all
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if d.App == app {
			all = append(all, d)
		}
	}
}

// serving is the commit of the release that answers requests to the app.
func (w *realWorld) serving(app deploy.AppName) string {
	w.t.Helper()
	a, err := w.core.Store.App(w.t.Context(), app)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := w.daemon.Router.Get(app, "/"); got != deploy.ReleaseName(a.Live) {
		w.t.Errorf("production of %s answers %q, and v%d is live", app, got, a.Live)
	}
	r, err := w.core.Store.Release(w.t.Context(), app, a.Live)
	if err != nil {
		w.t.Fatalf("release %d of %s: %v", a.Live, app, err)
	}
	return r.Commit.ID
}

// developers makes as many clones, each with a commit of its own.
func (w *world) developers(n int, app func(i int) string) []*clone {
	w.t.Helper()
	var all []*clone
	for i := range n {
		c := &clone{w: w, dir: filepath.Join(w.dir, fmt.Sprint("dev", i)), user: "anna"}
		w.write(filepath.Join(c.dir, "f"), fmt.Sprint(i), 0o644)
		c.git("init", "-q", "-b", "main")
		c.git("remote", "add", "teal", w.url(app(i)))
		c.commit("f", fmt.Sprint("dev ", i))
		all = append(all, c)
	}
	return all
}

// pushAll pushes from all clones at once, with force: they share no history.
func pushAll(clones []*clone) []result {
	results := make([]result, len(clones))
	var all sync.WaitGroup
	for i, c := range clones {
		all.Go(func() { results[i] = c.try("push", "-f", "teal", "main") })
	}
	all.Wait()
	return results
}

func TestOfTwentyPushesToOneAppTheLastServesAndEveryLoserIsTold(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 500*time.Millisecond)
	w.store.right["anna/shop"] = deploy.Admin // the core has an app of that name
	clones := w.developers(20, func(int) string { return "shop" })
	results := pushAll(clones)
	accepted := w.deployments("shop")
	if len(accepted) < 2 {
		t.Fatalf("%d pushes were accepted: nothing was parallel", len(accepted))
	}
	last := accepted[len(accepted)-1].Push.New
	if w.serving("shop") != last || w.ref("shop", "main") != last {
		t.Errorf("the last accepted commit is %s, %s serves, and the ref is at %s", last, w.serving("shop"), w.ref("shop", "main"))
	}
	promoted := map[string]bool{}
	for _, d := range accepted {
		switch {
		case d.State.Committed():
			promoted[d.Push.New] = true
		case d.State != deploy.Superseded:
			t.Errorf("deployment %d is %s: %s", d.ID, d.State, d.Note)
		}
	}
	for i, r := range results {
		told := strings.Contains(r.out, "is live on")
		lost := r.exit == 1 && strings.Contains(r.out, "[remote rejected]") &&
			(strings.Contains(r.out, "superseded by anna's push of ") || strings.Contains(r.out, " while you pushed: git pull, then push again"))
		if won := promoted[clones[i].head()]; won != (told && r.exit == 0) || won == lost {
			t.Errorf("pusher %d, promoted %v, was not told: exit %d\n%s", i, won, r.exit, r.out)
		}
	}
	w.sound("shop")
}

func TestTwentyPushesToTwentyAppsAllServe(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 10*time.Millisecond)
	name := func(i int) string { return fmt.Sprintf("shop-%d", i) }
	clones := w.developers(20, name)
	for i, r := range pushAll(clones) {
		app, head := deploy.AppName(name(i)), clones[i].head()
		if r.exit != 0 || w.ref(app, "main") != head || w.serving(app) != head {
			t.Errorf("%s is at %s, exit %d\n%s", app, w.ref(app, "main"), r.exit, r.out)
		}
		has(t, r.out, "created app "+string(app), " ✓ "+string(app)+" v1 is live on blue")
		w.sound(app)
	}
}
