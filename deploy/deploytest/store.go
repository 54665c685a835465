package deploytest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"teal/deploy"
)

// Store is a deploy.Store in memory.
type Store struct {
	t  testing.TB
	mu sync.Mutex

	apps        map[deploy.AppName]deploy.App
	releases    map[deploy.AppName][]deploy.Release
	deployments map[deploy.DeploymentID]deploy.Deployment
	logs        map[deploy.DeploymentID][]deploy.LogLine
	last        deploy.DeploymentID // numbers are never given again
	events      []deploy.Event
	alerts      map[string]deploy.Alert
	crons       map[string]deploy.CronRecord // by app/name
}

func newStore(t testing.TB) *Store {
	return &Store{
		t: t, apps: map[deploy.AppName]deploy.App{}, releases: map[deploy.AppName][]deploy.Release{},
		deployments: map[deploy.DeploymentID]deploy.Deployment{}, logs: map[deploy.DeploymentID][]deploy.LogLine{},
		alerts: map[string]deploy.Alert{}, crons: map[string]deploy.CronRecord{},
	}
}

// PutApp stores an app as it is.
func (s *Store) PutApp(a deploy.App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.Name] = a
}

// Alerts gives the alerts, one per episode.
func (s *Store) Alerts() []deploy.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.alerts), func(a, b deploy.Alert) int { return cmp.Compare(a.Deployment, b.Deployment) })
}

// Log gives a deployment's stored log.
func (s *Store) Log(id deploy.DeploymentID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, l := range s.logs[id] {
		out = append(out, l.Text)
	}
	return out
}

// Events gives the stored events, oldest first.
func (s *Store) Events() []deploy.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// App is part of deploy.Store.
func (s *Store) App(_ context.Context, name deploy.AppName) (deploy.App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.apps[name]
	if !ok {
		return a, deploy.ErrNotFound
	}
	a.Env = maps.Clone(a.Env)
	return a, nil
}

// Apps is part of deploy.Store.
func (s *Store) Apps(context.Context) ([]deploy.App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.apps), func(a, b deploy.App) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// Stage is part of deploy.Store.
func (s *Store) Stage(_ context.Context, app deploy.AppName, release int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.apps[app]
	if !ok {
		return deploy.ErrNotFound
	}
	a.Staged = release
	s.apps[app] = a
	return nil
}

// DeleteApp is part of deploy.Store.
func (s *Store) DeleteApp(_ context.Context, name deploy.AppName) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.apps[name]; !ok {
		return deploy.ErrNotFound
	}
	delete(s.apps, name)
	delete(s.releases, name)
	maps.DeleteFunc(s.deployments, func(_ deploy.DeploymentID, d deploy.Deployment) bool { return d.App == name })
	return nil
}

// CreateRelease is part of deploy.Store.
func (s *Store) CreateRelease(_ context.Context, r deploy.Release) (deploy.Release, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Image == "" || r.Settings.Instances == 0 {
		s.t.Errorf("release stored without image or settings: %+v", r)
	}
	if _, ok := s.apps[r.App]; !ok {
		return r, deploy.ErrNotFound
	}
	r.Number = len(s.releases[r.App]) + 1
	s.releases[r.App] = append(s.releases[r.App], r)
	return r, nil
}

// Release is part of deploy.Store.
func (s *Store) Release(_ context.Context, app deploy.AppName, number int) (deploy.Release, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 1 || number > len(s.releases[app]) {
		return deploy.Release{}, deploy.ErrNotFound
	}
	return s.releases[app][number-1], nil
}

// Releases is part of deploy.Store.
func (s *Store) Releases(_ context.Context, app deploy.AppName) ([]deploy.Release, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.releases[app])
	slices.Reverse(out)
	return out, nil
}

// MarkGone is part of deploy.Store.
func (s *Store) MarkGone(_ context.Context, app deploy.AppName, number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[app]; number == a.Live || number == a.Previous {
		s.t.Errorf("the image of %s was given up, which is live or previous", deploy.ReleaseName(number))
	}
	if number < 1 || number > len(s.releases[app]) {
		return deploy.ErrNotFound
	}
	s.releases[app][number-1].Gone = true
	return nil
}

// CreateDeployment is part of deploy.Store.
func (s *Store) CreateDeployment(_ context.Context, d deploy.Deployment, text string) (deploy.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.State != deploy.Queued || d.ID != 0 {
		s.t.Errorf("deployment created as %s with ID %d", d.State, d.ID)
	}
	if _, ok := s.apps[d.App]; !ok {
		return d, deploy.ErrNotFound
	}
	s.last++
	d.ID, d.Version = s.last, 1
	s.deployments[d.ID] = d
	s.event(d, text)
	return d, nil
}

// UpdateDeployment is part of deploy.Store.
func (s *Store) UpdateDeployment(_ context.Context, d deploy.Deployment, text string, alert *deploy.Alert) (deploy.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.deployments[d.ID]
	switch {
	case !ok:
		return d, deploy.ErrNotFound
	case old.Version != d.Version:
		return d, deploy.ErrConflict
	case old.State.Ended():
		s.t.Errorf("deployment %d was %s and is written again as %s", d.ID, old.State, d.State)
	case old.State.Committed() != d.State.Committed():
		s.t.Errorf("deployment %d went from %s to %s without Activate", d.ID, old.State, d.State)
	case d.State == deploy.Failed && (alert == nil || d.Failure == nil):
		s.t.Errorf("deployment %d failed without failure or alert", d.ID)
	}
	d.Version++
	s.deployments[d.ID] = d
	s.event(d, text)
	if alert != nil {
		if _, there := s.alerts[alert.Episode]; !there {
			s.alerts[alert.Episode] = *alert
		}
	}
	return d, nil
}

// Activate is part of deploy.Store.
func (s *Store) Activate(_ context.Context, from deploy.Color, d deploy.Deployment, text string) (deploy.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[d.App]
	old, ok := s.deployments[d.ID]
	switch {
	case !ok:
		return d, deploy.ErrNotFound
	case old.Version != d.Version || a.Active != from || old.State.Committed() || old.State.Ended():
		return d, deploy.ErrConflict
	}
	d.Replaces = a.Live
	if d.Color == from || d.State != deploy.Promoting || d.Release == 0 || d.PromotedAt.IsZero() {
		s.t.Errorf("activated from %q: %+v", from, d)
	}
	for id, o := range s.deployments {
		if o.App != d.App || id == d.ID {
			continue
		}
		switch o.State {
		case deploy.Promoting, deploy.Draining, deploy.Live:
			o.State = deploy.Warm
		case deploy.Warm, deploy.Asleep:
			o.State = deploy.Replaced
		default:
			continue
		}
		o.Version++
		s.deployments[id] = o
	}
	d.Version++
	s.deployments[d.ID] = d
	a.Active, a.Live, a.Previous, a.Staged, a.ReplacedAt = d.Color, d.Release, a.Live, 0, d.PromotedAt
	switch d.Cause {
	case deploy.CauseRollback, deploy.CauseWatch:
		a.PatchPinned = true
	case deploy.CausePush:
		a.PatchPinned = false
	}
	s.apps[d.App] = a
	s.event(d, text)
	return d, nil
}

// Deployment is part of deploy.Store.
func (s *Store) Deployment(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.deployments[id]
	if !ok {
		return d, deploy.ErrNotFound
	}
	return d, nil
}

// Open is part of deploy.Store.
func (s *Store) Open(context.Context) ([]deploy.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.SortedFunc(maps.Values(s.deployments), func(a, b deploy.Deployment) int { return cmp.Compare(a.ID, b.ID) })
	return slices.DeleteFunc(out, func(d deploy.Deployment) bool {
		return d.State.Ended() || d.State == deploy.Replaced
	}), nil
}

// AppendLog is part of deploy.Store.
func (s *Store) AppendLog(_ context.Context, id deploy.DeploymentID, lines []deploy.LogLine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.deployments[id]; !ok {
		return deploy.ErrNotFound
	}
	for _, l := range lines {
		if have := s.logs[id]; len(have) == 0 || l.N > have[len(have)-1].N {
			s.logs[id] = append(s.logs[id], l)
		}
	}
	return nil
}

// AddEvent is part of deploy.Store.
func (s *Store) AddEvent(_ context.Context, e deploy.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ID = int64(len(s.events) + 1)
	s.events = append(s.events, e)
	return nil
}

func (s *Store) event(d deploy.Deployment, text string) {
	s.events = append(s.events, deploy.Event{
		ID: int64(len(s.events) + 1), App: d.App, Deployment: d.ID, State: d.State, By: d.By, Text: text,
	})
}

// String shows the deployments, for failed tests.
func (s *Store) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ""
	for _, id := range slices.Sorted(maps.Keys(s.deployments)) {
		d := s.deployments[id]
		out += fmt.Sprintf("%d %s v%d on %s: %s %s", id, d.Cause, d.Release, d.Color, d.State, d.Note)
		if d.Failure != nil {
			out += " (" + d.Failure.Error() + ")"
		}
		out += "\n"
	}
	return out
}
