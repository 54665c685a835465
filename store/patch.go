package store

import (
	"context"
	"database/sql"
	"errors"

	"teal/deploy"
)

// PatchRecord gives what is remembered of an app's patch runs; the zero one when
// there is nothing.
func (db *DB) PatchRecord(ctx context.Context, app deploy.AppName) (r deploy.PatchRecord, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT record FROM patches WHERE app = ?`, app).Scan(document{&r})
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	return r, db.explain(err)
}

// SetPatchRecord stores it; ErrNotFound when there is no such app.
func (db *DB) SetPatchRecord(ctx context.Context, app deploy.AppName, r deploy.PatchRecord) error {
	return db.write(ctx, progress, func(t tx) error {
		_, err := t.exec(`INSERT INTO patches (app, record) VALUES (?, ?)
			ON CONFLICT (app) DO UPDATE SET record = excluded.record`, app, document{r})
		if dangling(err) {
			return noApp(app)
		}
		return err
	})
}
