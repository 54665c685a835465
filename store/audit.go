package store

import (
	"context"
	"time"

	"teal/deploy"
)

// AuditRecord says that a user asked for something, and what the answer was.
type AuditRecord struct {
	ID      int64
	At      time.Time
	User    string
	Verb    deploy.Verb
	App     deploy.AppName // "" for verbs without one
	Allowed bool
}

// Audit writes a record. An allowed action is stored after it, so whatever
// keeps the action keeps the record.
func (db *DB) Audit(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName, allowed bool) error {
	return db.write(ctx, progress, func(t tx) error {
		_, err := t.exec(`INSERT INTO audit (at, user, verb, app, allowed) VALUES (?, ?, ?, ?, ?)`,
			micros(db.now()), user, verb, app, allowed)
		return err
	})
}

// AuditLog gives the records, newest first.
func (db *DB) AuditLog(ctx context.Context, limit int) ([]AuditRecord, error) {
	all, err := collect(ctx, db.reader, func(row scanner) (r AuditRecord, err error) {
		err = row.Scan(&r.ID, moment{&r.At}, &r.User, &r.Verb, &r.App, &r.Allowed)
		return r, err
	}, `SELECT id, at, user, verb, app, allowed FROM audit ORDER BY id DESC LIMIT ?`, bound(limit))
	return all, db.explain(err)
}
