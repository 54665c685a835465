package store

import (
	"context"

	"teal/deploy"
)

// What Trim keeps per app.
const (
	KeptLogs   = 50   // deployments with their log
	KeptEvents = 1000 // newest events
)

// Trim removes what is too old to be looked at: logs of all but the last
// KeptLogs deployments of an app and those that are open, all but the last
// KeptEvents events, tokens and sessions that are over. Records of deployments
// and the audit stay. To be called daily.
func (db *DB) Trim(ctx context.Context) error {
	apps, err := collect(ctx, db.reader, func(row scanner) (name deploy.AppName, err error) {
		err = row.Scan(&name)
		return name, err
	}, `SELECT name FROM apps`)
	if err != nil {
		return db.explain(err)
	}
	// One transaction per app: a deployment waits for one of them at most.
	for _, app := range append(apps, "") {
		if err := db.trimApp(ctx, app); err != nil {
			return err
		}
	}
	return db.write(ctx, progress, func(t tx) error {
		now := micros(db.now())
		if _, err := t.exec(`DELETE FROM login_tokens WHERE expires_at <= ?`, now); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM sessions WHERE expires_at <= ?`, now)
		return err
	})
}

// trimApp trims the logs and events of one app; with "" the events about none.
func (db *DB) trimApp(ctx context.Context, app deploy.AppName) error {
	return db.write(ctx, progress, func(t tx) error {
		if _, err := t.exec(`
			DELETE FROM log_lines WHERE deployment IN (
				SELECT id FROM deployments WHERE app = ?1 AND state NOT IN (`+openStates+`) AND id <= (
					SELECT id FROM deployments WHERE app = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2))`, app, KeptLogs); err != nil {
			return err
		}
		_, err := t.exec(`
			DELETE FROM events WHERE app IS NULLIF(?1, '') AND id <= (
				SELECT id FROM events WHERE app IS NULLIF(?1, '') ORDER BY id DESC LIMIT 1 OFFSET ?2)`, app, KeptEvents)
		return err
	})
}
