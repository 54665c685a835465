package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"teal/deploy"
)

// maxInventory bounds a list that is unpacked.
const maxInventory = 64 << 20

// SetInventory stores the package list of a release, in place of one that is
// there; ErrNotFound when there is no such release.
func (db *DB) SetInventory(ctx context.Context, app deploy.AppName, release int, i deploy.Inventory) error {
	packed, err := pack(i)
	if err != nil {
		return fmt.Errorf("cannot store the packages of %s of %s: %w", deploy.ReleaseName(release), app, err)
	}
	return db.write(ctx, progress, func(t tx) error {
		_, err := t.exec(`INSERT INTO inventories (app, release, list) VALUES (?, ?, ?)
			ON CONFLICT (app, release) DO UPDATE SET list = excluded.list`, app, release, packed)
		if dangling(err) {
			return noRelease(app, release)
		}
		return err
	})
}

// Inventory gives the package list of a release; ErrNotFound when none was stored.
func (db *DB) Inventory(ctx context.Context, app deploy.AppName, release int) (deploy.Inventory, error) {
	var packed []byte
	err := db.reader.QueryRowContext(ctx, `SELECT list FROM inventories WHERE app = ? AND release = ?`, app, release).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return deploy.Inventory{}, fmt.Errorf("packages of release %s of app %s: %w", deploy.ReleaseName(release), app, deploy.ErrNotFound)
	}
	if err != nil {
		return deploy.Inventory{}, db.explain(err)
	}
	i, err := unpack(packed)
	if err != nil {
		return deploy.Inventory{}, fmt.Errorf("stored packages of release %s of app %s: %w", deploy.ReleaseName(release), app, err)
	}
	return i, nil
}

func pack(i deploy.Inventory) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	err := json.NewEncoder(w).Encode(i)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

func unpack(packed []byte) (i deploy.Inventory, err error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return i, err
	}
	return i, json.NewDecoder(io.LimitReader(r, maxInventory)).Decode(&i)
}
