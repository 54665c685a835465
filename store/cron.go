package store

import (
	"context"
	"fmt"

	"teal/deploy"
)

// CronRecords gives what is known of the app's scheduled commands, of those of
// all apps with "", by app and name.
func (db *DB) CronRecords(ctx context.Context, app deploy.AppName) ([]deploy.CronRecord, error) {
	all, err := collect(ctx, db.reader, func(row scanner) (r deploy.CronRecord, err error) {
		err = row.Scan(document{&r})
		return r, err
	}, `SELECT record FROM crons WHERE app = ? OR ? = '' ORDER BY app, name`, app, app)
	return all, db.explain(err)
}

// PutCron stores what is known of a scheduled command, with an event and an
// alert, if there are; see deploy.Crons.
func (db *DB) PutCron(ctx context.Context, r deploy.CronRecord, e deploy.Event, alert *deploy.Alert) error {
	r.Slot, r.Begun, r.Ended, r.FailingSince = r.Slot.UTC(), r.Begun.UTC(), r.Ended.UTC(), r.FailingSince.UTC()
	if e.At.IsZero() {
		e.At = db.now()
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`INSERT INTO crons (app, name, record) VALUES (?, ?, ?)
			ON CONFLICT (app, name) DO UPDATE SET record = excluded.record`, r.App, r.Name, document{r})
		if dangling(err) {
			return noApp(r.App)
		}
		if err != nil {
			return fmt.Errorf("scheduled command %s of %s: %w", r.Name, r.App, err)
		}
		if err := t.tell(e); err != nil || alert == nil {
			return err
		}
		a := *alert
		a.At, a.ServingSince, a.Commit.At = a.At.UTC(), a.ServingSince.UTC(), a.Commit.At.UTC()
		return db.put(t, r.App, a, fmt.Sprintf("cron-%s-%d", r.Name, r.FailingSince.UnixMicro()))
	})
}
