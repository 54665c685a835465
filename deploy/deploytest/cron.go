package deploytest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"teal/deploy"
)

// CronRecords is part of deploy.Crons.
func (s *Store) CronRecords(_ context.Context, app deploy.AppName) ([]deploy.CronRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []deploy.CronRecord
	for _, key := range slices.Sorted(maps.Keys(s.crons)) {
		if app == "" || strings.HasPrefix(key, string(app)+"/") {
			out = append(out, s.crons[key])
		}
	}
	return out, nil
}

// PutCron is part of deploy.Crons.
func (s *Store) PutCron(_ context.Context, r deploy.CronRecord, e deploy.Event, alert *deploy.Alert) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.apps[r.App]; !ok {
		return deploy.ErrNotFound
	}
	s.crons[string(r.App)+"/"+r.Name] = r
	if e.Text != "" {
		e.ID = int64(len(s.events) + 1)
		s.events = append(s.events, e)
	}
	if alert != nil {
		if _, there := s.alerts[alert.Episode]; !there {
			s.alerts[alert.Episode] = *alert
		}
	}
	return nil
}

func (a storeAdapter) CronRecords(ctx context.Context, app deploy.AppName) ([]deploy.CronRecord, error) {
	return give(a.generation, "CronRecords", func() ([]deploy.CronRecord, error) { return a.w.Store.CronRecords(ctx, app) })
}

func (a storeAdapter) PutCron(ctx context.Context, r deploy.CronRecord, e deploy.Event, alert *deploy.Alert) error {
	return a.do("PutCron", func() error { return a.w.Store.PutCron(ctx, r, e, alert) })
}
