package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"teal/deploy"
)

// promotable are the states that a deployment can be committed from.
var promotable = []deploy.State{deploy.Queued, deploy.Probing, deploy.Staged, deploy.Shifting}

// Activate is the commit: production goes from color `from` to d.Color, in one
// durable transaction. The caller has set d.State to Promoting and
// d.PromotedAt. ErrConflict when the active color is not from or d.Version is
// stale, ErrNotFound when app or deployment are gone; then nothing has changed.
// Of the d that it returns, Replaces is the release that was live.
func (db *DB) Activate(ctx context.Context, from deploy.Color, d deploy.Deployment, text string) (deploy.Deployment, error) {
	if err := checkCommit(from, d); err != nil {
		return deploy.Deployment{}, err
	}
	err := db.write(ctx, durable, func(t tx) error {
		was, err := t.current(d)
		if err != nil {
			return err
		}
		if !slices.Contains(promotable, was) {
			return fmt.Errorf("deployment %d of %s: %w: it is %s and cannot be promoted", d.ID, d.App, deploy.ErrConflict, was)
		}
		if d.Replaces, err = t.swap(from, d); err != nil {
			return err
		}
		if err := t.retire(d); err != nil {
			return err
		}
		if d, err = t.save(d); err != nil {
			return err
		}
		return t.tell(db.eventOf(d, d.State, text))
	})
	// If we die here: the row is on the disk, and recovery points the router at it.
	if err != nil {
		return deploy.Deployment{}, err
	}
	return d, nil
}

func checkCommit(from deploy.Color, d deploy.Deployment) error {
	var wrong error
	switch {
	case d.State != deploy.Promoting || d.PromotedAt.IsZero():
		wrong = fmt.Errorf("its state is %s, promoted at %v", d.State, d.PromotedAt)
	case d.Color != deploy.Blue && d.Color != deploy.Green || d.Color == from:
		wrong = fmt.Errorf("it goes from color %q to %q", from, d.Color)
	case d.Release <= 0:
		wrong = errors.New("it has no release")
	default:
		return nil
	}
	return fmt.Errorf("deployment %d of %s cannot be promoted: %w", d.ID, d.App, wrong)
}

// swap moves the app to the deployment's color and release, and gives the
// release that was live.
func (t tx) swap(from deploy.Color, d deploy.Deployment) (replaced int, err error) {
	var active deploy.Color
	var pinned bool
	err = t.row(`SELECT active, live, patch_pinned FROM apps WHERE name = ?`, d.App).Scan(&active, &replaced, &pinned)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, noApp(d.App)
	case err != nil:
		return 0, err
	case active != from:
		return 0, fmt.Errorf("app %s: %w: its active color is %q, not %q", d.App, deploy.ErrConflict, active, from)
	}
	switch d.Cause {
	case deploy.CauseRollback, deploy.CauseWatch:
		pinned = true
	case deploy.CausePush:
		pinned = false
	}
	_, err = t.exec(`
		UPDATE apps SET active = ?, live = ?, previous = ?, replaced_at = ?, staged = 0, patch_pinned = ?
		WHERE name = ?`, d.Color, d.Release, replaced, micros(d.PromotedAt), pinned, d.App)
	return replaced, err
}

// moveOthers moves the app's other deployments that are in one of two or three
// states. It goes by the index on state: the commit must not take longer the
// longer the history is.
const moveOthers = `UPDATE deployments SET state = ?, version = version + 1 WHERE app = ? AND id <> ? AND state IN `

// retire moves the deployments that came before: what was live is Warm now,
// what was kept before that has lost its color to d.
func (t tx) retire(d deploy.Deployment) error {
	if _, err := t.exec(moveOthers+`('warm', 'asleep')`, deploy.Replaced, d.App, d.ID); err != nil {
		return err
	}
	_, err := t.exec(moveOthers+`('promoting', 'draining', 'live')`, deploy.Warm, d.App, d.ID)
	return err
}
