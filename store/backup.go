package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"teal/deploy"
)

// Backup writes a copy of the database as it is now to path, which must not be
// there yet (ErrExists), while the daemon works on. secret.key is not in it.
func (db *DB) Backup(ctx context.Context, path string) error {
	// Made here, since SQLite would make it readable by all.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("backup %s: %w: choose another name", path, deploy.ErrExists)
	}
	if err != nil {
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	err = db.copyTo(ctx, path)
	if err = errors.Join(err, file.Sync(), file.Close(), syncDir(filepath.Dir(path))); err != nil {
		return errors.Join(fmt.Errorf("cannot write the backup %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// copyTo copies through a connection of its own: those of the readers may write
// nothing at all, and the writer's turn would hold up deployments.
func (db *DB) copyTo(ctx context.Context, path string) error {
	pool, err := sql.Open("sqlite", dsn(filepath.Join(db.dir, "teal.db"), nil))
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, `VACUUM INTO ?`, path)
	return errors.Join(db.explain(err), pool.Close())
}
