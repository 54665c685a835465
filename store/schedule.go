package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"teal/deploy"
)

// SetPatchSchedule sets when the app is patched: a cron expression, "off", or ""
// for the server's default. ErrNotFound.
func (db *DB) SetPatchSchedule(ctx context.Context, app deploy.AppName, spec string) error {
	return db.setApp(ctx, app, `UPDATE apps SET patch_schedule = ? WHERE name = ?`, spec)
}

// LastSlot gives the last time of a schedule that was dealt with, and the
// schedule; zero when there was none. ErrNotFound when there is no such app.
func (db *DB) LastSlot(ctx context.Context, app deploy.AppName) (slot time.Time, schedule string, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT last_slot, slot_schedule FROM apps WHERE name = ?`, app).Scan(moment{&slot}, &schedule)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, "", noApp(app)
	}
	return slot, schedule, db.explain(err)
}

// SetSlot records that a time of the schedule was dealt with; ErrNotFound.
func (db *DB) SetSlot(ctx context.Context, app deploy.AppName, slot time.Time, schedule string) error {
	return db.setApp(ctx, app, `UPDATE apps SET last_slot = ?, slot_schedule = ? WHERE name = ?`, micros(slot), schedule)
}
