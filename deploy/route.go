package deploy

import (
	"context"
	"errors"
	"slices"
)

// hosts are the names that production serves for the app: its own, and its
// domains. One that became the server's own since it was added (the server's
// domain was changed) is left out: no app may take another one's host.
func (e *Engine) hosts(app App) []string {
	hosts := []string{string(app.Name) + "." + e.Domain}
	for _, host := range app.Domains {
		if !ownHost(host, e.Domain) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// route is the one function that says where an app's requests go: at start, at
// a switch, and after a repair.
func (e *Engine) route(app App, instances []Instance) Route {
	r := Route{
		App: app.Name, Hosts: e.hosts(app),
		Live: Backend{Color: app.Active, Release: app.Live, Instances: runningOf(instances, app.Live)},
	}
	shown := app.Staged
	if shown == 0 && len(runningOf(instances, app.Previous)) > 0 {
		shown = app.Previous
	}
	if shown != 0 {
		r.Preview = Backend{Color: app.Idle(), Release: shown, Instances: runningOf(instances, shown)}
	}
	return r
}

func runningOf(instances []Instance, release int) []Instance {
	var out []Instance
	for _, in := range instances {
		if release != 0 && in.Release == release && in.Process == "" && in.Running && in.Addr.IsValid() {
			out = append(out, in)
		}
	}
	return out
}

// point hands the router the app's route as store and Engine have it. The
// caller holds the app's place. When the store can't be read the router keeps
// what it has, and the keeper comes again.
func (e *Engine) point(ctx context.Context, name AppName) {
	app, err := e.Store.App(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return // destroyed meanwhile
	}
	if err != nil {
		e.Log.Error("Cannot read the app to route it; its route stays as it was", "app", name, "error", err)
		e.wakeKeepers()
		return
	}
	e.pointTo(app)
}

// pointTo hands the router the route of the app as it is given. The caller
// holds the app's place.
func (e *Engine) pointTo(app App) {
	w, instances := e.worker(app.Name), e.instances(app.Name)
	r := e.route(app, instances)
	s := w.liveSettings(app)
	r.Sticky, r.Redirect = s.Sticky, s.Redirect
	if s.CheckInterval > 0 {
		r.Check = Check{Path: s.ProbePath, Interval: s.CheckInterval, Timeout: s.ProbeTimeout}
	}
	r = w.detours(r, app, instances)
	r.Live.Protocol, r.Preview.Protocol = w.spoken(r.Live.Release), w.spoken(r.Preview.Release)
	e.Router.Point(r)
}

// Reroute points the router at the app as the store has it: after its domains changed.
func (e *Engine) Reroute(ctx context.Context, app AppName) error {
	if _, err := e.appReady(ctx, app); err != nil {
		return err
	}
	w := e.worker(app)
	w.place.Lock()
	defer w.place.Unlock()
	e.point(ctx, app)
	return nil
}

// introduce has the router know an app that was never live, so that from its
// first push on its host says that nothing is live yet, not that there is no app.
func (w *worker) introduce() {
	ctx, done := cleanup()
	defer done()
	if app, err := w.e.Store.App(ctx, w.app); err != nil || app.Live != 0 {
		return
	}
	w.place.Lock()
	defer w.place.Unlock()
	w.e.point(ctx, w.app)
}

// observe asks the Engine what there is of the app, and keeps it. The caller
// holds the app's place, so that nothing is started meanwhile. An Engine that is
// away changes nothing: what was running is taken to run.
func (e *Engine) observe(ctx context.Context, app AppName) error {
	all, err := e.Runtime.List(ctx)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(all, func(in Instance) bool { return in.App != app })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[app] = own
	return nil
}

// observeAll is observe for all apps, before any work has begun.
func (e *Engine) observeAll(ctx context.Context) error {
	all, err := e.Runtime.List(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, in := range all {
		e.known[in.App] = append(e.known[in.App], in)
	}
	return nil
}

// observed keeps what Start returned, in place of what was known of that release.
func (e *Engine) observed(app AppName, instances []Instance) {
	if len(instances) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	workers := slices.ContainsFunc(instances, func(in Instance) bool { return in.Process != "" })
	others := slices.DeleteFunc(slices.Clone(e.known[app]), func(in Instance) bool {
		return in.Release == instances[0].Release && (in.Process == "" || workers)
	})
	e.known[app] = append(others, instances...)
}

// forget drops what was known of a release: its instances were removed, or
// are about to be stopped and may not be taken for running any more.
func (e *Engine) forget(app AppName, release int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[app] = slices.DeleteFunc(slices.Clone(e.known[app]), func(in Instance) bool { return in.Release == release })
}

// forgetApp drops what was known of an app that is gone.
func (e *Engine) forgetApp(app AppName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, app)
}

// instances gives what is known of the app's instances.
func (e *Engine) instances(app AppName) []Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.known[app])
}

func releasesOf(instances []Instance) []int {
	var out []int
	for _, in := range instances {
		if !slices.Contains(out, in.Release) {
			out = append(out, in.Release)
		}
	}
	return out
}

// runningInstances gives the release's instances when all of them run in the
// color, from memory: asking the Engine would cost a quick rollback its speed.
func (e *Engine) runningInstances(app AppName, r Release, c Color) []Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	running := runningOf(e.known[app], r.Number)
	running = slices.DeleteFunc(running, func(in Instance) bool { return in.Color != c })
	if len(running) < max(r.Settings.Instances, 1) {
		return nil
	}
	return running
}
