package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"teal/deploy"
)

const selectRelease = `
	SELECT app, number, commit_id, commit_author, commit_subject, commit_at, image, settings, env,
	       created_at, created_by, cause, gone
	FROM releases `

// CreateRelease gives the release the app's next number and stores it; ErrNotFound
// when there is no such app.
func (db *DB) CreateRelease(ctx context.Context, r deploy.Release) (deploy.Release, error) {
	if r.CreatedAt.IsZero() {
		r.CreatedAt = db.now()
	}
	env, err := db.sealEnv(r.App, r.Env)
	if err != nil {
		return deploy.Release{}, err
	}
	err = db.write(ctx, progress, func(t tx) error {
		// Rows stay as long as the app, so the highest number was the last given.
		err := t.row(`SELECT COALESCE(MAX(number), 0) + 1 FROM releases WHERE app = ?`, r.App).Scan(&r.Number)
		if err != nil {
			return err
		}
		_, err = t.exec(`
			INSERT INTO releases (app, number, commit_id, commit_author, commit_subject, commit_at,
			                      image, settings, env, created_at, created_by, cause, gone)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.App, r.Number, r.Commit.ID, r.Commit.Author, r.Commit.Subject, micros(r.Commit.At),
			r.Image, document{r.Settings}, document{env}, micros(r.CreatedAt), r.CreatedBy, r.Cause, r.Gone)
		if dangling(err) {
			return noApp(r.App)
		}
		return err
	})
	if err != nil {
		return deploy.Release{}, err
	}
	return r, nil
}

// Release gives one release; ErrNotFound.
func (db *DB) Release(ctx context.Context, app deploy.AppName, number int) (deploy.Release, error) {
	r, err := db.scanRelease(db.reader.QueryRowContext(ctx, selectRelease+`WHERE app = ? AND number = ?`, app, number))
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.Release{}, noRelease(app, number)
	}
	return r, db.explain(err)
}

// Releases gives an app's releases, newest first.
func (db *DB) Releases(ctx context.Context, app deploy.AppName) ([]deploy.Release, error) {
	all, err := collect(ctx, db.reader, db.scanRelease, selectRelease+`WHERE app = ? ORDER BY number DESC`, app)
	return all, db.explain(err)
}

// MarkGone records that the release's image was removed; ErrNotFound.
func (db *DB) MarkGone(ctx context.Context, app deploy.AppName, number int) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`UPDATE releases SET gone = 1 WHERE app = ? AND number = ?`, app, number)
		if err == nil && n == 0 {
			return noRelease(app, number)
		}
		return err
	})
}

func (db *DB) scanRelease(row scanner) (deploy.Release, error) {
	var r deploy.Release
	var env map[string]string
	err := row.Scan(&r.App, &r.Number, &r.Commit.ID, &r.Commit.Author, &r.Commit.Subject, moment{&r.Commit.At},
		&r.Image, document{&r.Settings}, document{&env}, moment{&r.CreatedAt}, &r.CreatedBy, &r.Cause, &r.Gone)
	if err != nil {
		return deploy.Release{}, err
	}
	r.Env, err = db.unsealEnv(r.App, env)
	return r, err
}

func noRelease(app deploy.AppName, number int) error {
	return fmt.Errorf("release %s of app %s: %w", deploy.ReleaseName(number), app, deploy.ErrNotFound)
}
