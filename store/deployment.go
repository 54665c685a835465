package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"teal/deploy"
)

// deploymentColumns are all but id, in the order of deploymentValues and scanDeployment.
var deploymentColumns = []string{
	"app", "cause", "state", "color", "release", "target", "replaces", "asked_by", "note",
	"ref", "old_id", "new_id", "commit_id", "commit_author", "commit_subject", "commit_at", "pushed_by", "options",
	"created_at", "started_at", "promoted_at", "finished_at", "failure", "receipt", "changes", "version",
}

var (
	selectDeployment = `SELECT id, ` + strings.Join(deploymentColumns, ", ") + ` FROM deployments `
	insertDeployment = `INSERT INTO deployments (` + strings.Join(deploymentColumns, ", ") + `) VALUES (?` +
		strings.Repeat(", ?", len(deploymentColumns)-1) + `)`
	updateDeployment = `UPDATE deployments SET ` + strings.Join(deploymentColumns, " = ?, ") + ` = ? WHERE id = ?`
)

func deploymentValues(d deploy.Deployment) []any {
	p, c := d.Push, d.Push.Commit
	return []any{
		d.App, d.Cause, d.State, d.Color, d.Release, d.Target, d.Replaces, d.By, d.Note,
		p.Ref, p.Old, p.New, c.ID, c.Author, c.Subject, micros(c.At), p.By,
		document{p.Options},
		micros(d.CreatedAt), micros(d.StartedAt), micros(d.PromotedAt), micros(d.FinishedAt),
		document{d.Failure},
		document{d.Receipt},
		document{d.Changes},
		d.Version,
	}
}

func scanDeployment(row scanner) (deploy.Deployment, error) {
	var d deploy.Deployment
	p, c := &d.Push, &d.Push.Commit
	err := row.Scan(&d.ID,
		&d.App, &d.Cause, &d.State, &d.Color, &d.Release, &d.Target, &d.Replaces, &d.By, &d.Note,
		&p.Ref, &p.Old, &p.New, &c.ID, &c.Author, &c.Subject, moment{&c.At}, &p.By, document{&p.Options},
		moment{&d.CreatedAt}, moment{&d.StartedAt}, moment{&d.PromotedAt}, moment{&d.FinishedAt},
		document{&d.Failure}, document{&d.Receipt}, document{&d.Changes}, &d.Version)
	p.App = d.App
	return d, err
}

// CreateDeployment stores a new deployment with its first event and returns it
// with ID and Version; ErrNotFound when there is no such app.
func (db *DB) CreateDeployment(ctx context.Context, d deploy.Deployment, text string) (deploy.Deployment, error) {
	if d.CreatedAt.IsZero() {
		d.CreatedAt = db.now()
	}
	d.Version = 1
	kept := durable
	if d.Cause.GoesBack() {
		kept = progress // its Activate follows in milliseconds and makes both durable
	}
	err := db.write(ctx, kept, func(t tx) error {
		id, err := t.insert(insertDeployment, deploymentValues(d)...)
		if dangling(err) {
			return noApp(d.App)
		}
		if err != nil {
			return err
		}
		d.ID = deploy.DeploymentID(id)
		return t.tell(db.eventOf(d, d.State, text))
	})
	if err != nil {
		return deploy.Deployment{}, err
	}
	return d, nil
}

// UpdateDeployment stores the deployment and its event (none when text is ""),
// and, when alert is not nil, one outbox row per channel, in one transaction.
// ErrConflict when d.Version is not the stored one, ErrNotFound. It refuses to
// carry a deployment over the bar: Activate does that.
func (db *DB) UpdateDeployment(ctx context.Context, d deploy.Deployment, text string, alert *deploy.Alert) (deploy.Deployment, error) {
	kept := progress
	if alert != nil || d.State.Ended() || d.State == deploy.Staged || d.State == deploy.Live {
		kept = durable // someone is told of it now
	}
	err := db.write(ctx, kept, func(t tx) error {
		was, err := t.current(d)
		if err != nil {
			return err
		}
		if was.Committed() != d.State.Committed() {
			return fmt.Errorf("deployment %d of %s cannot be stored as %s: it is %s, and only Activate carries it over", d.ID, d.App, d.State, was)
		}
		if d, err = t.save(d); err != nil {
			return err
		}
		entered := d.State
		if entered == was {
			entered = ""
		}
		if err := t.tell(db.eventOf(d, entered, text)); err != nil {
			return err
		}
		return db.post(t, d, alert)
	})
	if err != nil {
		return deploy.Deployment{}, err
	}
	return d, nil
}

// current gives the stored state of a deployment that is of the stored version;
// else ErrNotFound or ErrConflict.
func (t tx) current(d deploy.Deployment) (deploy.State, error) {
	var state deploy.State
	var version int
	err := t.row(`SELECT state, version FROM deployments WHERE id = ?`, d.ID).Scan(&state, &version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", noDeployment(d.ID)
	case err != nil:
		return "", err
	case version != d.Version:
		return "", fmt.Errorf("deployment %d of %s: %w: it is %s at version %d, not %d", d.ID, d.App, deploy.ErrConflict, state, version, d.Version)
	}
	return state, nil
}

// save writes all of the deployment as its next version.
func (t tx) save(d deploy.Deployment) (deploy.Deployment, error) {
	d.Version++
	_, err := t.exec(updateDeployment, append(deploymentValues(d), d.ID)...)
	return d, err
}

// Deployment gives one deployment; ErrNotFound.
func (db *DB) Deployment(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
	d, err := scanDeployment(db.reader.QueryRowContext(ctx, selectDeployment+`WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.Deployment{}, noDeployment(id)
	}
	return d, db.explain(err)
}

// Deployments gives deployments of the app, newest first, beginning below
// before; 0 is the newest.
func (db *DB) Deployments(ctx context.Context, app deploy.AppName, before deploy.DeploymentID, limit int) ([]deploy.Deployment, error) {
	all, err := collect(ctx, db.reader, scanDeployment, selectDeployment+`
		WHERE app = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3`, app, before, bound(limit))
	return all, db.explain(err)
}

// Open gives every deployment that is not settled, oldest first.
func (db *DB) Open(ctx context.Context) ([]deploy.Deployment, error) {
	all, err := collect(ctx, db.reader, scanDeployment, selectDeployment+`WHERE state IN (`+openStates+`) ORDER BY id`)
	return all, db.explain(err)
}

// openStates are the states of deployments that something may still happen to, as a list in SQL.
var openStates = func() string {
	var open []string
	for _, s := range deploy.States() {
		if !s.Ended() && s != deploy.Replaced {
			open = append(open, "'"+string(s)+"'")
		}
	}
	return strings.Join(open, ", ")
}()

func noDeployment(id deploy.DeploymentID) error {
	return fmt.Errorf("deployment %d: %w", id, deploy.ErrNotFound)
}
