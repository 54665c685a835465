package deploytest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// Router is a deploy.Router that asks the instances of its route itself. Its
// table is memory: a new engine gets a new one.
type Router struct {
	t      testing.TB
	mu     sync.Mutex
	routes map[deploy.AppName]deploy.Route
	idle   *sync.Cond
	flight map[int]int // requests in flight by release
	served map[int]uint64
	// Pointed lists the releases that production was pointed at, in order.
	Pointed []int
}

func newRouter(t testing.TB) *Router {
	r := &Router{t: t, routes: map[deploy.AppName]deploy.Route{}, flight: map[int]int{}, served: map[int]uint64{}}
	r.idle = sync.NewCond(&r.mu)
	return r
}

// Point is part of deploy.Router.
func (r *Router) Point(route deploy.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes[route.App] = route
	if n := len(r.Pointed); n == 0 || r.Pointed[n-1] != route.Live.Release {
		r.Pointed = append(r.Pointed, route.Live.Release)
	}
}

// Drain is part of deploy.Router.
func (r *Router) Drain(ctx context.Context, app deploy.AppName, release int) int {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.idle.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes[app].Live.Release == release {
		r.t.Errorf("drain of v%d, which production points at", release)
	}
	for r.flight[release] > 0 && ctx.Err() == nil {
		r.idle.Wait()
	}
	return r.flight[release]
}

// Release is part of deploy.Router.
func (r *Router) Release(_ context.Context, app deploy.AppName, release int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes[app].Live.Release == release && release != 0 {
		r.t.Errorf("connections of v%d cut, which production points at", release)
	}
}

// Figures is part of deploy.Router.
func (r *Router) Figures(_ deploy.AppName, release int) deploy.Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := deploy.Figures{Requests: r.served[release], InFlight: r.flight[release]}
	if f.Requests > 0 {
		f.P99 = 1
	}
	return f
}

// Remove is part of deploy.Router.
func (r *Router) Remove(app deploy.AppName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.routes, app)
}

// production gives the release that production points at; 0: none.
func (r *Router) production(app deploy.AppName) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[app].Live.Release
}

// Get asks production of the app, and gives the answer's text or the error's.
func (r *Router) Get(app deploy.AppName, path string) string {
	r.mu.Lock()
	route := r.routes[app]
	if len(route.Live.Instances) == 0 {
		r.mu.Unlock()
		return "down"
	}
	release := route.Live.Release
	r.flight[release]++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flight[release]--
		r.served[release]++
		r.idle.Broadcast()
	}()
	return ask(route.Live.Instances[0], path)
}

// Hosts gives the hosts that production serves for the app.
func (r *Router) Hosts(app deploy.AppName) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[app].Hosts
}

// Preview asks the preview of the app.
func (r *Router) Preview(app deploy.AppName) string {
	r.mu.Lock()
	in := r.routes[app].Preview.Instances
	r.mu.Unlock()
	if len(in) == 0 {
		return "nothing"
	}
	return ask(in[0], "/")
}

func ask(in deploy.Instance, path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.Addr.String()+path, nil)
	if err != nil {
		return err.Error()
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
