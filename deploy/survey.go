package deploy

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// survey remembers what was out of date in the apps' live images when they were
// last looked at: one look is at all of them, since most of its cost is that of
// fetching the archives' lists.
type survey struct {
	turn chan struct{} // held by who looks

	mu    sync.Mutex
	found map[AppName]finding
}

type finding struct {
	image   string
	pending Pending
	at      time.Time
}

func newSurvey() *survey {
	return &survey{turn: make(chan struct{}, 1), found: map[AppName]finding{}}
}

// fresh gives what was found about the app's image not long ago.
func (s *survey) fresh(app AppName, image string, now time.Time) (Pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.found[app]
	return f.pending, ok && f.image == image && now.Sub(f.at).Abs() < scanFresh
}

func (s *survey) keep(app AppName, f finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found[app] = f
}

func (s *survey) forget(app AppName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.found, app)
}

// pending tells what is out of date in the live release. When that was not
// looked at within the hour, it looks, at the live releases of all other apps
// as well.
func (e *Engine) pending(ctx context.Context, live Release) (Pending, error) {
	select {
	case e.survey.turn <- struct{}{}:
		defer func() { <-e.survey.turn }()
	case <-ctx.Done():
		return Pending{}, context.Cause(ctx)
	}
	if p, ok := e.survey.fresh(live.App, live.Image, e.Now()); ok {
		return p, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, scanTimeout, fmt.Errorf("looking for updates took longer than %s", scanTimeout))
	defer cancel()
	stale, err := e.unsurveyed(ctx, live)
	if err != nil {
		return Pending{}, err
	}
	images := make([]string, len(stale))
	for i, r := range stale {
		images[i] = r.Image
	}
	found, err := e.Patcher.Pending(ctx, images...)
	if err != nil {
		return Pending{}, fmt.Errorf("cannot tell what is out of date: %w", err)
	}
	for i, r := range stale {
		found[i].Changes = e.explained(ctx, r, found[i].Changes)
		e.survey.keep(r.App, finding{r.Image, found[i], e.Now()})
		e.noteChecked(ctx, r, found[i])
	}
	return found[0], nil
}

// unsurveyed lists the live releases that were not looked at lately, first the
// one that is asked for.
func (e *Engine) unsurveyed(ctx context.Context, first Release) ([]Release, error) {
	apps, err := e.Store.Apps(ctx)
	if err != nil {
		return nil, err
	}
	all := []Release{first}
	for _, a := range apps {
		if a.Name == first.App || a.Live == 0 {
			continue
		}
		r, err := e.Store.Release(ctx, a.Name, a.Live)
		if err != nil {
			return nil, err
		}
		if _, ok := e.survey.fresh(a.Name, r.Image, e.Now()); !ok && r.Settings.Patch.Mode != PatchOff {
			all = append(all, r)
		}
	}
	return all, nil
}

// explained adds which holes the updates close.
func (e *Engine) explained(ctx context.Context, r Release, changes []Change) []Change {
	if len(changes) == 0 {
		return changes
	}
	list, err := e.inventory(ctx, r)
	if err != nil {
		return changes
	}
	return e.Patcher.Explain(ctx, list, changes)
}

// noteChecked stores what was found, for people and for the time after a restart.
func (e *Engine) noteChecked(ctx context.Context, r Release, p Pending) {
	err := e.changeRecord(ctx, r.App, func(record *PatchRecord) {
		record.Release, record.CheckedAt, record.Pending = r.Number, e.Now(), p
	})
	if err != nil {
		e.Log.Warn("Cannot store what is out of date", "app", r.App, "release", r.Number, "error", err)
	}
}
