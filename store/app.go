package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"teal/deploy"
)

const selectApp = `
	SELECT a.name, a.created_at, a.created_by, a.active, a.live, a.previous, a.replaced_at, a.staged,
	       a.branch, a.env, a.build_secrets, a.patch_schedule, a.patch_pinned,
	       NULLIF((SELECT json_group_array(host ORDER BY host) FROM domains WHERE app = a.name), '[]')
	FROM apps a `

// CreateApp stores a new app that nothing was deployed to yet, and makes its
// creator an admin of it; ErrExists. What Activate and Stage write begins empty.
func (db *DB) CreateApp(ctx context.Context, a deploy.App) error {
	if a.CreatedAt.IsZero() {
		a.CreatedAt = db.now()
	}
	env, err := db.sealEnv(a.Name, a.Env)
	if err != nil {
		return err
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`
			INSERT INTO apps (name, created_at, created_by, branch, env, patch_schedule, patch_pinned)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			a.Name, micros(a.CreatedAt), a.CreatedBy, a.Branch, document{env}, a.PatchSchedule, a.PatchPinned)
		if taken(err) {
			return fmt.Errorf("app %s: %w", a.Name, deploy.ErrExists)
		}
		if err != nil {
			return err
		}
		for _, host := range a.Domains {
			if err := t.addDomain(a.Name, host); err != nil {
				return err
			}
		}
		_, err = t.exec(`
			INSERT INTO access (user, app, granted) SELECT name, ?, ? FROM users WHERE name = ?`,
			a.Name, deploy.Admin, a.CreatedBy)
		return err
	})
}

// App gives one app; ErrNotFound.
func (db *DB) App(ctx context.Context, name deploy.AppName) (deploy.App, error) {
	a, err := db.app(ctx, db.reader, name)
	return a, db.explain(err)
}

func (db *DB) app(ctx context.Context, q queryer, name deploy.AppName) (deploy.App, error) {
	a, err := db.scanApp(q.QueryRowContext(ctx, selectApp+`WHERE a.name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.App{}, noApp(name)
	}
	return a, err
}

// Apps gives all apps, by name.
func (db *DB) Apps(ctx context.Context) ([]deploy.App, error) {
	all, err := collect(ctx, db.reader, db.scanApp, selectApp+`ORDER BY a.name`)
	return all, db.explain(err)
}

// AppsOf gives the apps that the user may view, by name: all of them to Admin users.
func (db *DB) AppsOf(ctx context.Context, user string) ([]deploy.App, error) {
	all, err := collect(ctx, db.reader, db.scanApp, selectApp+`
		WHERE EXISTS (SELECT 1 FROM access WHERE user = ?1 AND app = a.name)
		   OR EXISTS (SELECT 1 FROM users WHERE name = ?1 AND admin)
		ORDER BY a.name`, user)
	return all, db.explain(err)
}

func (db *DB) scanApp(row scanner) (deploy.App, error) {
	var a deploy.App
	var env, secrets map[string]string
	err := row.Scan(&a.Name, moment{&a.CreatedAt}, &a.CreatedBy, &a.Active, &a.Live, &a.Previous,
		moment{&a.ReplacedAt}, &a.Staged, &a.Branch, document{&env}, document{&secrets}, &a.PatchSchedule, &a.PatchPinned,
		document{&a.Domains})
	if err != nil {
		return deploy.App{}, err
	}
	if a.Env, err = db.unsealEnv(a.Name, env); err != nil {
		return deploy.App{}, err
	}
	a.BuildSecrets, err = db.unsealBuildSecrets(a.Name, secrets)
	return a, err
}

// Stage records which release is staged on the idle color (0: none); ErrNotFound.
func (db *DB) Stage(ctx context.Context, app deploy.AppName, release int) error {
	return db.setApp(ctx, app, `UPDATE apps SET staged = ? WHERE name = ?`, release)
}

// SetBranch sets the branch that deploys; "" is main or master. ErrNotFound.
func (db *DB) SetBranch(ctx context.Context, app deploy.AppName, branch string) error {
	return db.setApp(ctx, app, `UPDATE apps SET branch = ? WHERE name = ?`, branch)
}

// setApp runs an UPDATE of one app with values; its name is the last argument.
func (db *DB) setApp(ctx context.Context, app deploy.AppName, update string, values ...any) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(update, append(values, app)...)
		if err == nil && n == 0 {
			return noApp(app)
		}
		return err
	})
}

// DeleteApp removes the app and everything that hangs on it but the audit
// records; ErrNotFound. A new app of the name begins at v1 again.
func (db *DB) DeleteApp(ctx context.Context, name deploy.AppName) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`DELETE FROM apps WHERE name = ?`, name)
		if err == nil && n == 0 {
			return noApp(name)
		}
		return err
	})
}

func noApp(name deploy.AppName) error { return fmt.Errorf("app %s: %w", name, deploy.ErrNotFound) }
