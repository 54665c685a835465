package deploy

import (
	"context"
	"sync"
	"time"
)

// traffic is what an app's route has beyond what store and Engine say. It is
// memory on purpose: a share of the requests that goes to a candidate, and
// requests that wait, must not outlive the process that saw to them. Its lock is
// its own and held for no call: the switch must not wait for the store.
type traffic struct {
	mu sync.Mutex

	live     int      // the release that production was last pointed at
	settings Settings // of the release with the number of
	of       int
	spoken   map[int]Protocol // by the releases that were pointed at; few

	candidate int // the release that gets a share, or that is waited for; 0: none
	share     int // percent of new requests that go to it
	held      bool
	hold      time.Duration // how long a request may wait while held

	watched int           // the live release while its watch lasts
	past    []pastFigures // of the live release, oldest first
}

// pastFigures are a release's figures at some time.
type pastFigures struct {
	release int
	at      time.Time
	figures Figures
}

// share sends part of the new requests to the candidate on the idle color; 0: none.
func (w *worker) share(ctx context.Context, candidate, percent int) {
	w.place.Lock()
	defer w.place.Unlock()
	w.divert(candidate, percent)
	w.e.point(ctx, w.app)
}

// divert notes the share for the next route.
func (w *worker) divert(candidate, percent int) {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.candidate, w.traffic.share = candidate, percent
	if percent == 0 {
		w.traffic.candidate = 0
	}
}

// unshare takes the release's share away, for the next route.
func (w *worker) unshare(candidate int) {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	if w.traffic.candidate == candidate && !w.traffic.held {
		w.traffic.candidate, w.traffic.share = 0, 0
	}
}

// forgetTraffic is for an app that is gone.
func (w *worker) forgetTraffic() {
	w.straighten()
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.live, w.traffic.of, w.traffic.past, w.traffic.spoken = 0, 0, nil, nil
}

// straighten has the next route be what the store says and nothing else.
func (w *worker) straighten() {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.candidate, w.traffic.share, w.traffic.held = 0, 0, false
}

// detours lays over the route what the store does not know of.
func (w *worker) detours(r Route, app App, instances []Instance) Route {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	t := &w.traffic
	switch {
	case t.held:
		// Nothing is named that could be asked: what serves is being stopped.
		r.Live = Backend{Color: app.Idle(), Release: t.candidate}
		if t.candidate == app.Live {
			r.Live.Color = app.Active
		}
		r.Preview = Backend{}
		r.Hold, r.HoldTime = true, t.hold
	case t.share > 0 && t.candidate != app.Live:
		r.Preview = Backend{Color: app.Idle(), Release: t.candidate, Instances: runningOf(instances, t.candidate)}
		if len(r.Preview.Instances) > 0 {
			r.Share = t.share
		}
	}
	w.traffic.live = app.Live
	return r
}

// serves notes the settings of a release that is about to be pointed at.
func (w *worker) serves(r Release) {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.of, w.traffic.settings = r.Number, r.Settings
	w.traffic.hears(r)
}

// mostHeard is how many releases' protocols are remembered.
const mostHeard = 8

// hears remembers what the release speaks. The caller holds t.mu.
func (t *traffic) hears(r Release) {
	if t.spoken == nil || len(t.spoken) >= mostHeard {
		t.spoken = map[int]Protocol{}
	}
	t.spoken[r.Number] = r.Settings.Protocol
}

// spoken tells what a release speaks, from memory if it can.
func (w *worker) spoken(release int) Protocol {
	if release == 0 {
		return HTTP1
	}
	w.traffic.mu.Lock()
	p, known := w.traffic.spoken[release]
	w.traffic.mu.Unlock()
	if known {
		return p
	}
	ctx, done := cleanup()
	defer done()
	r, err := w.e.Store.Release(ctx, w.app, release)
	if err != nil {
		w.e.Log.Warn("Cannot read what a release speaks; HTTP/1.1 is assumed", "app", w.app, "release", release, "error", err)
		return HTTP1
	}
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.hears(r)
	return r.Settings.Protocol
}

// liveSettings gives the settings of what is live, from memory if it can; the
// server's defaults when there is nothing live.
func (w *worker) liveSettings(app App) Settings {
	w.traffic.mu.Lock()
	of, settings := w.traffic.of, w.traffic.settings
	w.traffic.mu.Unlock()
	switch {
	case app.Live == 0:
		return *w.e.Defaults
	case of == app.Live:
		return settings
	}
	ctx, done := cleanup()
	defer done()
	r, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		w.e.Log.Warn("Cannot read the settings of the live release; it is routed with the server's", "app", w.app, "release", app.Live, "error", err)
		return *w.e.Defaults
	}
	w.serves(r)
	return r.Settings
}

// Traffic tells how an app's requests are led just now, beyond the route that
// its record says. The zero value: all go to the live release.
type Traffic struct {
	Candidate int  `json:"candidate,omitempty"` // the release that gets Share, or that is waited for; 0: none
	Share     int  `json:"share,omitempty"`     // percent of new requests that go to it
	Held      bool `json:"held,omitempty"`      // new requests wait
	Watched   bool `json:"watched,omitempty"`   // the live release is compared with the previous one
}

// Traffic gives it for one app.
func (e *Engine) Traffic(app AppName) Traffic {
	e.mu.Lock()
	w := e.apps[app]
	e.mu.Unlock()
	if w == nil {
		return Traffic{}
	}
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	t := &w.traffic
	return Traffic{Candidate: t.candidate, Share: t.share, Held: t.held, Watched: t.watched != 0 && t.watched == t.live}
}
