package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"teal/deploy"
)

// Grant gives the user the right on the app, in place of the one that he had;
// ErrBadName for a right that is none, ErrNotFound when user or app are not there.
func (db *DB) Grant(ctx context.Context, a deploy.Access) error {
	if _, err := deploy.ParseRight(string(a.Right)); err != nil {
		return err
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`
			INSERT INTO access (user, app, granted) VALUES (?, ?, ?)
			ON CONFLICT (user, app) DO UPDATE SET granted = excluded.granted`, a.User, a.App, a.Right)
		if dangling(err) {
			return fmt.Errorf("user %s or app %s: %w", deploy.Clean(a.User, 40), a.App, deploy.ErrNotFound)
		}
		return err
	})
}

// Revoke takes the user's right on the app; ErrNotFound when he had none.
func (db *DB) Revoke(ctx context.Context, user string, app deploy.AppName) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`DELETE FROM access WHERE user = ? AND app = ?`, user, app)
		if err == nil && n == 0 {
			return fmt.Errorf("right of %s on app %s: %w", deploy.Clean(user, 40), app, deploy.ErrNotFound)
		}
		return err
	})
}

// AccessList gives who may do what with the app, by user.
func (db *DB) AccessList(ctx context.Context, app deploy.AppName) ([]deploy.Access, error) {
	all, err := collect(ctx, db.reader, func(row scanner) (a deploy.Access, err error) {
		err = row.Scan(&a.User, &a.App, &a.Right)
		return a, err
	}, `SELECT user, app, granted FROM access WHERE app = ? ORDER BY user`, app)
	return all, db.explain(err)
}

// RightOf gives the user's right on the app; "" when he has none. It does not
// look at User.Admin.
func (db *DB) RightOf(ctx context.Context, user string, app deploy.AppName) (right deploy.Right, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT granted FROM access WHERE user = ? AND app = ?`, user, app).Scan(&right)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return right, db.explain(err)
}
