package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"teal/deploy"
)

// CreateLoginToken makes a token that logs the user in once; ErrNotFound.
func (db *DB) CreateLoginToken(ctx context.Context, user string, expires time.Time) (token string, err error) {
	return db.createToken(ctx, `INSERT INTO login_tokens (hash, user, expires_at) VALUES (?, ?, ?)`, user, expires)
}

// RedeemLoginToken uses the token up and gives its user; ErrNotFound when it is
// unknown, used or over.
func (db *DB) RedeemLoginToken(ctx context.Context, token string) (user string, err error) {
	var expires time.Time
	err = db.write(ctx, durable, func(t tx) error {
		return t.row(`DELETE FROM login_tokens WHERE hash = ? RETURNING user, expires_at`, hashOf(token)).
			Scan(&user, moment{&expires})
	})
	return db.stillGood("login token", user, expires, err)
}

// CreateSession makes the token of a session of the user; ErrNotFound.
func (db *DB) CreateSession(ctx context.Context, user string, expires time.Time) (token string, err error) {
	return db.createToken(ctx, `INSERT INTO sessions (hash, user, expires_at) VALUES (?, ?, ?)`, user, expires)
}

// Session gives the user of a session; ErrNotFound when it is unknown, deleted or over.
func (db *DB) Session(ctx context.Context, token string) (user string, err error) {
	var expires time.Time
	err = db.reader.QueryRowContext(ctx, `SELECT user, expires_at FROM sessions WHERE hash = ?`, hashOf(token)).
		Scan(&user, moment{&expires})
	return db.stillGood("session", user, expires, err)
}

// DeleteSession ends a session. One that is not there is no error.
func (db *DB) DeleteSession(ctx context.Context, token string) error {
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`DELETE FROM sessions WHERE hash = ?`, hashOf(token))
		return err
	})
}

func (db *DB) createToken(ctx context.Context, insert, user string, expires time.Time) (string, error) {
	b := make([]byte, 32)
	rand.Read(b) //nolint:errcheck // never fails
	token := base64.RawURLEncoding.EncodeToString(b)
	err := db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(insert, hashOf(token), user, micros(expires))
		if dangling(err) {
			return noUser(user)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

func (db *DB) stillGood(what, user string, expires time.Time, err error) (string, error) {
	if errors.Is(err, sql.ErrNoRows) || err == nil && !db.now().Before(expires) {
		return "", fmt.Errorf("%s: %w: unknown, used or over", what, deploy.ErrNotFound)
	}
	if err != nil {
		return "", db.explain(err)
	}
	return user, nil
}

// hashOf is what is kept of a token: 256 random bits need no salt, and whoever
// reads the database or a backup cannot log in with it.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
