package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"teal/deploy"
)

const selectKey = `SELECT user, fingerprint, public, comment, created_at, last_used_at FROM keys `

// AddKey stores a key of a user; ErrExists when any user has it, ErrNotFound
// when there is no such user.
func (db *DB) AddKey(ctx context.Context, k deploy.Key) error {
	if k.CreatedAt.IsZero() {
		k.CreatedAt = db.now()
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`INSERT INTO keys (user, fingerprint, public, comment, created_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?)`,
			k.User, k.Fingerprint, k.Public, k.Comment, micros(k.CreatedAt), micros(k.LastUsedAt))
		switch {
		case taken(err):
			return fmt.Errorf("key %s: %w", k.Fingerprint, deploy.ErrExists)
		case dangling(err):
			return noUser(k.User)
		}
		return err
	})
}

// RemoveKey removes a key of the user; ErrNotFound when he does not have it.
func (db *DB) RemoveKey(ctx context.Context, user, fingerprint string) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`DELETE FROM keys WHERE user = ? AND fingerprint = ?`, user, fingerprint)
		if err == nil && n == 0 {
			return fmt.Errorf("key %s of %s: %w", deploy.Clean(fingerprint, 60), deploy.Clean(user, 40), deploy.ErrNotFound)
		}
		return err
	})
}

// Keys gives the keys of the user, of all users with "", by user and age.
func (db *DB) Keys(ctx context.Context, user string) ([]deploy.Key, error) {
	all, err := collect(ctx, db.reader, scanKey, selectKey+`
		WHERE ?1 = '' OR user = ?1 ORDER BY user, created_at, fingerprint`, user)
	return all, db.explain(err)
}

// KeyOwner gives the key with that fingerprint, and so its user; ErrNotFound.
func (db *DB) KeyOwner(ctx context.Context, fingerprint string) (deploy.Key, error) {
	k, err := scanKey(db.reader.QueryRowContext(ctx, selectKey+`WHERE fingerprint = ?`, fingerprint))
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.Key{}, fmt.Errorf("key %s: %w", deploy.Clean(fingerprint, 60), deploy.ErrNotFound)
	}
	return k, db.explain(err)
}

func scanKey(row scanner) (k deploy.Key, err error) {
	err = row.Scan(&k.User, &k.Fingerprint, &k.Public, &k.Comment, moment{&k.CreatedAt}, moment{&k.LastUsedAt})
	return k, err
}

// TouchKey records when the key was last used. A key that is gone is no error.
func (db *DB) TouchKey(ctx context.Context, fingerprint string, at time.Time) error {
	return db.write(ctx, progress, func(t tx) error {
		_, err := t.exec(`UPDATE keys SET last_used_at = ? WHERE fingerprint = ?`, micros(at), fingerprint)
		return err
	})
}
