package store

import (
	"context"
	"database/sql"
	"fmt"

	"teal/deploy"
)

// AppendLog adds lines to a deployment's log; those that are there already, by
// N, are dropped. ErrNotFound when there is no such deployment.
func (db *DB) AppendLog(ctx context.Context, id deploy.DeploymentID, lines []deploy.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	return db.write(ctx, progress, func(t tx) error {
		insert, err := t.PrepareContext(t.ctx, `
			INSERT INTO log_lines (deployment, n, at, text) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close() //nolint:errcheck // ends with the transaction
		for _, line := range lines {
			_, err := insert.ExecContext(t.ctx, id, line.N, micros(line.At), line.Text)
			if dangling(err) {
				return noDeployment(id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Log gives lines of a deployment's log in order, those with N above after.
func (db *DB) Log(ctx context.Context, id deploy.DeploymentID, after, limit int) ([]deploy.LogLine, error) {
	lines, err := collect(ctx, db.reader, func(row scanner) (l deploy.LogLine, err error) {
		err = row.Scan(&l.N, moment{&l.At}, &l.Text)
		return l, err
	}, `SELECT n, at, text FROM log_lines WHERE deployment = ? AND n > ? ORDER BY n LIMIT ?`, id, after, bound(limit))
	return lines, db.explain(err)
}

// AddEvent stores an event that changes no state; ErrNotFound when it names an
// app that there is not.
func (db *DB) AddEvent(ctx context.Context, e deploy.Event) error {
	if e.At.IsZero() {
		e.At = db.now()
	}
	return db.write(ctx, progress, func(t tx) error { return t.tell(e) })
}

func (db *DB) eventOf(d deploy.Deployment, entered deploy.State, text string) deploy.Event {
	return deploy.Event{At: db.now(), App: d.App, Deployment: d.ID, State: entered, By: d.By, Text: text}
}

// tell stores an event; one without a text tells nothing and is left out.
func (t tx) tell(e deploy.Event) error {
	if e.Text == "" {
		return nil
	}
	_, err := t.exec(`INSERT INTO events (at, app, deployment, state, by_user, text) VALUES (?, NULLIF(?, ''), ?, ?, ?, ?)`,
		micros(e.At), e.App, e.Deployment, e.State, e.By, e.Text)
	if dangling(err) {
		return noApp(e.App)
	}
	if err != nil {
		return fmt.Errorf("event of app %s: %w", e.App, err)
	}
	return nil
}

// Events gives the events of the app, of all with "", newest first.
func (db *DB) Events(ctx context.Context, app deploy.AppName, limit int) ([]deploy.Event, error) {
	query := `SELECT id, at, app, deployment, state, by_user, text FROM events `
	args := []any{bound(limit)}
	if app != "" {
		query, args = query+`WHERE app = ? `, []any{app, bound(limit)}
	}
	all, err := collect(ctx, db.reader, scanEvent, query+`ORDER BY id DESC LIMIT ?`, args...)
	return all, db.explain(err)
}

func scanEvent(row scanner) (e deploy.Event, err error) {
	var app sql.NullString
	err = row.Scan(&e.ID, moment{&e.At}, &app, &e.Deployment, &e.State, &e.By, &e.Text)
	e.App = deploy.AppName(app.String)
	return e, err
}
