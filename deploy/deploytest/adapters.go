package deploytest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"teal/deploy"
)

// adapters are what one engine calls: the World behind the faults of its generation.
type adapters struct {
	*generation
	w *World
	r *Router
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

type (
	storeAdapter   struct{ *adapters }
	reposAdapter   struct{ *adapters }
	builderAdapter struct{ *adapters }
	runtimeAdapter struct{ *adapters }
	benchAdapter   struct{ *adapters }
	routerAdapter  struct{ *adapters }
)

func give[T any](g *generation, call string, f func() (T, error)) (out T, err error) {
	err = g.do(call, func() error {
		var err error
		out, err = f()
		return err
	})
	return out, err
}

func (a storeAdapter) App(ctx context.Context, n deploy.AppName) (deploy.App, error) {
	return give(a.generation, "App", func() (deploy.App, error) { return a.w.Store.App(ctx, n) })
}

func (a storeAdapter) Apps(ctx context.Context) ([]deploy.App, error) {
	return give(a.generation, "Apps", func() ([]deploy.App, error) { return a.w.Store.Apps(ctx) })
}

func (a storeAdapter) Stage(ctx context.Context, n deploy.AppName, release int) error {
	return a.do("Stage", func() error { return a.w.Store.Stage(ctx, n, release) })
}

func (a storeAdapter) DeleteApp(ctx context.Context, n deploy.AppName) error {
	return a.do("DeleteApp", func() error { return a.w.Store.DeleteApp(ctx, n) })
}

func (a storeAdapter) CreateRelease(ctx context.Context, r deploy.Release) (deploy.Release, error) {
	return give(a.generation, "CreateRelease", func() (deploy.Release, error) { return a.w.Store.CreateRelease(ctx, r) })
}

func (a storeAdapter) Release(ctx context.Context, n deploy.AppName, number int) (deploy.Release, error) {
	return give(a.generation, "Release", func() (deploy.Release, error) { return a.w.Store.Release(ctx, n, number) })
}

func (a storeAdapter) Releases(ctx context.Context, n deploy.AppName) ([]deploy.Release, error) {
	return give(a.generation, "Releases", func() ([]deploy.Release, error) { return a.w.Store.Releases(ctx, n) })
}

func (a storeAdapter) MarkGone(ctx context.Context, n deploy.AppName, number int) error {
	return a.do("MarkGone", func() error { return a.w.Store.MarkGone(ctx, n, number) })
}

func (a storeAdapter) CreateDeployment(ctx context.Context, d deploy.Deployment, text string) (deploy.Deployment, error) {
	return give(a.generation, "CreateDeployment", func() (deploy.Deployment, error) { return a.w.Store.CreateDeployment(ctx, d, text) })
}

func (a storeAdapter) UpdateDeployment(ctx context.Context, d deploy.Deployment, text string, alert *deploy.Alert) (deploy.Deployment, error) {
	return give(a.generation, "Update "+string(d.State), func() (deploy.Deployment, error) {
		return a.w.Store.UpdateDeployment(ctx, d, text, alert)
	})
}

func (a storeAdapter) Activate(ctx context.Context, from deploy.Color, d deploy.Deployment, text string) (deploy.Deployment, error) {
	return give(a.generation, "Activate", func() (deploy.Deployment, error) { return a.w.Store.Activate(ctx, from, d, text) })
}

func (a storeAdapter) Deployment(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
	return give(a.generation, "Deployment", func() (deploy.Deployment, error) { return a.w.Store.Deployment(ctx, id) })
}

func (a storeAdapter) Open(ctx context.Context) ([]deploy.Deployment, error) {
	return give(a.generation, "Open", func() ([]deploy.Deployment, error) { return a.w.Store.Open(ctx) })
}

func (a storeAdapter) AppendLog(ctx context.Context, id deploy.DeploymentID, lines []deploy.LogLine) error {
	return a.do("AppendLog", func() error { return a.w.Store.AppendLog(ctx, id, lines) })
}

func (a storeAdapter) AddEvent(ctx context.Context, e deploy.Event) error {
	return a.do("AddEvent", func() error { return a.w.Store.AddEvent(ctx, e) })
}

func (a reposAdapter) Source(ctx context.Context, app deploy.AppName, commit string) (deploy.Source, error) {
	return give(a.generation, "Source", func() (deploy.Source, error) {
		if a.w.Repositories != nil {
			return a.w.Repositories.Source(ctx, app, commit)
		}
		return a.w.source(commit)
	})
}

func (a reposAdapter) Advance(ctx context.Context, p deploy.Push) error {
	return a.do("Advance", func() error {
		if a.w.Repositories != nil {
			return a.w.Repositories.Advance(ctx, p)
		}
		return a.w.advance(p)
	})
}

func (a reposAdapter) Forget(ctx context.Context, app deploy.AppName) error {
	return a.do("Forget repository", func() error {
		if a.w.Repositories != nil {
			return a.w.Repositories.Forget(ctx, app)
		}
		return nil
	})
}

func (a builderAdapter) Build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	return give(a.generation, "Build", func() (deploy.Built, error) { return a.w.build(ctx, req, log) })
}

func (a builderAdapter) RemoveImage(_ context.Context, _ deploy.AppName, image string) error {
	return a.do("RemoveImage", func() error { return a.w.removeImage(image) })
}

func (a builderAdapter) Images(context.Context) ([]deploy.Image, error) {
	return give(a.generation, "Images", a.w.allImages)
}

func (a builderAdapter) Short(context.Context) (int64, error) { return a.w.short(), nil }

func (a runtimeAdapter) Start(_ context.Context, spec deploy.Spec) ([]deploy.Instance, error) {
	return give(a.generation, "Start", func() ([]deploy.Instance, error) {
		if !a.w.HasImage(spec.Release.Image) {
			return nil, fmt.Errorf("image: %w", deploy.ErrNotFound)
		}
		if app, err := a.w.Store.App(context.Background(), spec.Release.App); err == nil && app.Live == spec.Release.Number && app.Active != spec.Color {
			a.w.t.Errorf("v%d is live on %s and shall move to %s", app.Live, app.Active, spec.Color)
		}
		return a.w.Runtime.start(spec)
	})
}

func (a runtimeAdapter) Stop(_ context.Context, app deploy.AppName, release int, _ time.Duration) error {
	a.spare(app, release)
	return a.do("Stop", func() error {
		return a.w.Runtime.each(app, release, func(_ string, in *instance) { in.stop(deploy.Exit{Code: 143}) })
	})
}

func (a runtimeAdapter) StopWorkers(_ context.Context, app deploy.AppName, release int, _ time.Duration) error {
	return a.do("StopWorkers", func() error {
		return a.w.Runtime.each(app, release, func(_ string, in *instance) {
			if in.Process != "" {
				in.stop(deploy.Exit{Code: 143})
			}
		})
	})
}

func (a runtimeAdapter) Remove(_ context.Context, app deploy.AppName, release int) error {
	a.spare(app, release)
	return a.do("Remove", func() error {
		return a.w.Runtime.each(app, release, func(key string, in *instance) {
			in.stop(deploy.Exit{Code: 137})
			delete(a.w.Runtime.instances, key)
		})
	})
}

// spare fails the test when what serves is about to be taken away.
func (a runtimeAdapter) spare(app deploy.AppName, release int) {
	if a.r.serves(app, release) {
		a.w.t.Errorf("v%d of %s shall be taken away, and production points at it", release, app)
	}
}

func (a runtimeAdapter) List(context.Context) ([]deploy.Instance, error) {
	return give(a.generation, "List", a.w.Runtime.all)
}

func (a benchAdapter) Once(ctx context.Context, r deploy.Release, argv []string, log io.Writer) (deploy.Exit, error) {
	return give(a.generation, "Once", func() (deploy.Exit, error) {
		if a.w.Once != nil {
			return a.w.Once(ctx, r, argv, log)
		}
		return a.w.Runtime.once(argv, log)
	})
}

func (a benchAdapter) Tail(context.Context, deploy.Instance, int) ([]string, error) {
	return []string{"the app's last words"}, nil
}

func (a benchAdapter) Changes(ctx context.Context) <-chan struct{} { return a.w.Runtime.watch(ctx) }

func (a benchAdapter) Forget(context.Context, deploy.AppName) error {
	return a.do("Forget network", func() error { return nil })
}

// The router is part of the process: a dead one's calls have no effect.
func (a routerAdapter) Point(route deploy.Route) {
	_ = a.do("Point", func() error { a.r.Point(route); return nil })
}

func (a routerAdapter) Drain(ctx context.Context, app deploy.AppName, release int) (cut int) {
	_ = a.do("Drain", func() error { cut = a.r.Drain(ctx, app, release); return nil })
	return cut
}

func (a routerAdapter) Release(ctx context.Context, app deploy.AppName, release int) {
	_ = a.do("Release connections", func() error { a.r.Release(ctx, app, release); return nil })
}

func (a routerAdapter) Figures(app deploy.AppName, release int) deploy.Figures {
	return a.r.Figures(app, release)
}
func (a routerAdapter) Remove(app deploy.AppName) { a.r.Remove(app) }

func (a *adapters) probe(ctx context.Context, addr netip.AddrPort, host string, s deploy.Settings) error {
	return a.do("Probe", func() error { return deploy.HTTPProbe(ctx, addr, host, s) })
}
