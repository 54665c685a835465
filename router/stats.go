package router

import (
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// AppStats is what the router knows of one app now, for the console.
type AppStats struct {
	App     deploy.AppName
	Hosts   []string
	Live    BackendStats
	Preview BackendStats
	Share   int  // percent of new production requests that go to Preview
	Held    bool // production requests wait
	Waiting int  // how many do
}

// BackendStats is one release that a front-end shows; Release 0: none.
type BackendStats struct {
	Color     deploy.Color
	Release   int
	Figures   deploy.Figures
	Rate      float64 // requests per second over the last ten seconds
	Instances []InstanceStats
}

// InstanceStats is one running instance of a release.
type InstanceStats struct {
	ID       string
	Index    int
	Addr     string
	InFlight int    // requests it is answering now
	Sockets  int    // WebSockets that are open now
	Idle     int    // connections kept for the next requests
	Requests uint64 // that were sent to it
	Aside    bool   // it refused a connection a moment ago
	// Up: nothing speaks against sending requests to it; Since tells since when
	// that is so, or not. The only instance of a release gets requests anyway.
	Up    bool
	Since time.Time
	// Check is what the last active check found ("200 in 3 ms"), at CheckAt; ""
	// when there was none.
	Check   string
	CheckAt time.Time
}

// Stats gives every app in the table, by name.
func (r *Router) Stats() []AppStats {
	t := r.table.Load()
	all := make([]AppStats, 0, t.apps.count)
	for app, e := range t.apps.all() {
		one := AppStats{
			App:     deploy.AppName(app),
			Hosts:   slices.Clone(e.route.Hosts),
			Live:    r.backendStats(&e.sides[production]),
			Preview: r.backendStats(&e.sides[preview]),
			Share:   e.route.Share,
			Held:    e.gate != nil,
		}
		if e.gate != nil {
			one.Waiting = int(e.gate.waiting.Load())
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b AppStats) int { return strings.Compare(string(a.App), string(b.App)) })
	return all
}

func (r *Router) backendStats(s *side) BackendStats {
	if s.pool == nil {
		return BackendStats{}
	}
	now := r.now()
	out := BackendStats{
		Color:   s.backend.Color,
		Release: s.backend.Release,
		Figures: s.pool.snapshot(now),
	}
	out.Rate = s.pool.rate.perSecond(out.Figures.Requests)
	for _, in := range s.instances {
		one := InstanceStats{
			ID:       in.ID,
			Index:    in.Index,
			Addr:     in.addr,
			InFlight: int(in.flying.Load()),
			Sockets:  int(in.sockets.Load()),
			Idle:     max(int(in.shelf.count.Load()), 0),
			Requests: in.requests.Load(),
			Aside:    in.aside(now),
			Up:       !in.health.ill.Load(),
			Since:    time.Unix(0, in.health.since.Load()),
		}
		if last := in.health.last.Load(); last != nil {
			one.Check, one.CheckAt = last.text, last.at
		}
		out.Instances = append(out.Instances, one)
	}
	return out
}
