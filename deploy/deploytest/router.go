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
	errors map[int]uint64
	more   map[int]deploy.Figures // told by a test, on top of what was counted
	turn   uint64                 // counts requests, to share them out
	waits  int                    // requests that wait because the app is held
	// Pointed lists the releases that production was pointed at, in order.
	Pointed []int
}

func newRouter(t testing.TB) *Router {
	r := &Router{t: t, routes: map[deploy.AppName]deploy.Route{}, flight: map[int]int{}, served: map[int]uint64{}, errors: map[int]uint64{}, more: map[int]deploy.Figures{}}
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
	if route.Share < 0 || route.Share > 100 || route.Share > 0 && len(route.Preview.Instances) == 0 {
		r.t.Errorf("%d %% of the requests shall go to v%d, which has %d instances", route.Share, route.Preview.Release, len(route.Preview.Instances))
	}
	if route.Hold && (route.HoldTime <= 0 || len(route.Live.Instances) > 0) {
		r.t.Errorf("held for %v, and v%d has instances to be asked", route.HoldTime, route.Live.Release)
	}
	r.idle.Broadcast()
}

// Count adds to the figures of a release, as requests would.
func (r *Router) Count(release int, f deploy.Figures) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.more[release]
	m.Requests, m.Errors, m.P50, m.P99 = m.Requests+f.Requests, m.Errors+f.Errors, f.P50, f.P99
	r.more[release] = m
}

// Share gives what part of production's requests goes to which release beside
// the live one.
func (r *Router) Share(app deploy.AppName) (release, percent int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if route := r.routes[app]; route.Share > 0 {
		return route.Preview.Release, route.Share
	}
	return 0, 0
}

// Waiting gives how many requests wait because the app is held.
func (r *Router) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waits
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
	m := r.more[release]
	f := deploy.Figures{Requests: r.served[release] + m.Requests, Errors: r.errors[release] + m.Errors, InFlight: r.flight[release]}
	if f.Requests > 0 {
		f.P50, f.P99 = max(m.P50, 0.5), max(m.P99, 1)
	}
	return f
}

// Remove is part of deploy.Router.
func (r *Router) Remove(app deploy.AppName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.routes, app)
}

// serves tells whether production sends requests to the release.
func (r *Router) serves(app deploy.AppName, release int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	route := r.routes[app]
	return route.Live.Release == release || route.Share > 0 && route.Preview.Release == release
}

// Get asks production of the app, and gives the answer's text or the error's.
func (r *Router) Get(app deploy.AppName, path string) string {
	r.mu.Lock()
	to, why := r.choose(app)
	if why != "" {
		r.mu.Unlock()
		return why
	}
	r.flight[to.Release]++
	r.mu.Unlock()
	answer, status := ask(to.Instances[0], path)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight[to.Release]--
	r.served[to.Release]++
	if status >= http.StatusInternalServerError || status == 0 {
		r.errors[to.Release]++
	}
	r.idle.Broadcast()
	return answer
}

// choose waits while the app is held and gives where the request goes, or why
// it goes nowhere; with mu held.
func (r *Router) choose(app deploy.AppName) (to deploy.Backend, why string) {
	if r.routes[app].Hold {
		over := false
		timer := time.AfterFunc(r.routes[app].HoldTime, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			over = true
			r.idle.Broadcast()
		})
		defer timer.Stop()
		r.waits++
		for r.routes[app].Hold && !over {
			r.idle.Wait()
		}
		r.waits--
		if over {
			return to, "waited too long"
		}
	}
	route := r.routes[app]
	r.turn++
	to = route.Live
	if r.turn*uint64(route.Share)%100 < uint64(route.Share) {
		to = route.Preview
	}
	if len(to.Instances) == 0 {
		return to, "down"
	}
	return to, ""
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
	answer, _ := ask(in[0], "/")
	return answer
}

func ask(in deploy.Instance, path string) (answer string, status int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.Addr.String()+path, nil)
	if err != nil {
		return err.Error(), 0
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error(), 0
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), 0
	}
	return string(b), resp.StatusCode
}
