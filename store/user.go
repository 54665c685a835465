package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"teal/deploy"
)

const selectUser = `SELECT name, email, admin, may_create, created_at FROM users `

// CreateUser stores a new user; ErrExists.
func (db *DB) CreateUser(ctx context.Context, u deploy.User) error {
	if u.CreatedAt.IsZero() {
		u.CreatedAt = db.now()
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`INSERT INTO users (name, email, admin, may_create, created_at) VALUES (?, ?, ?, ?, ?)`,
			u.Name, u.Email, u.Admin, u.MayCreate, micros(u.CreatedAt))
		if taken(err) {
			return fmt.Errorf("user %s: %w", u.Name, deploy.ErrExists)
		}
		return err
	})
}

// User gives one user; ErrNotFound.
func (db *DB) User(ctx context.Context, name string) (deploy.User, error) {
	u, err := scanUser(db.reader.QueryRowContext(ctx, selectUser+`WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.User{}, noUser(name)
	}
	return u, db.explain(err)
}

// Users gives all users, by name.
func (db *DB) Users(ctx context.Context) ([]deploy.User, error) {
	all, err := collect(ctx, db.reader, scanUser, selectUser+`ORDER BY name`)
	return all, db.explain(err)
}

func scanUser(row scanner) (u deploy.User, err error) {
	err = row.Scan(&u.Name, &u.Email, &u.Admin, &u.MayCreate, moment{&u.CreatedAt})
	return u, err
}

// UpdateUser stores all of the user but the name and CreatedAt; ErrNotFound, and
// ErrConflict when no Admin user would be left.
func (db *DB) UpdateUser(ctx context.Context, u deploy.User) error {
	return db.write(ctx, durable, func(t tx) error {
		if !u.Admin {
			if err := t.notLastAdmin(u.Name); err != nil {
				return err
			}
		}
		n, err := t.exec(`UPDATE users SET email = ?, admin = ?, may_create = ? WHERE name = ?`, u.Email, u.Admin, u.MayCreate, u.Name)
		if err == nil && n == 0 {
			return noUser(u.Name)
		}
		return err
	})
}

// DeleteUser removes the user with keys, rights, tokens and sessions; ErrNotFound,
// and ErrConflict when no Admin user would be left.
func (db *DB) DeleteUser(ctx context.Context, name string) error {
	return db.write(ctx, durable, func(t tx) error {
		if err := t.notLastAdmin(name); err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM users WHERE name = ?`, name)
		if err == nil && n == 0 {
			return noUser(name)
		}
		return err
	})
}

func (t tx) notLastAdmin(name string) error {
	var last bool
	err := t.row(`
		SELECT EXISTS (SELECT 1 FROM users WHERE admin AND name = ?1)
		   AND NOT EXISTS (SELECT 1 FROM users WHERE admin AND name <> ?1)`, name).Scan(&last)
	if err == nil && last {
		return fmt.Errorf("%w: %s is the last admin of this server: make another user admin first", deploy.ErrConflict, name)
	}
	return err
}

func noUser(name string) error {
	return fmt.Errorf("user %s: %w", deploy.Clean(name, 40), deploy.ErrNotFound)
}
