package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the newest step.
func (db *DB) migrate(ctx context.Context) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.writer, steps)
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %w", err)
	}
	sources := provider.ListSources()
	want := sources[len(sources)-1].Version
	have, err := db.schema(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the database in %s: %w", db.dir, db.explain(err))
	case have > want:
		return fmt.Errorf("%w: %s has schema %d and this teal knows up to %d: install the newer teal again, or put back the backup from before the upgrade", ErrNewer, db.dir, have, want)
	case have == want:
		return nil
	}
	err = db.alone(func() error {
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("cannot bring the database in %s from schema %d to %d: %w", db.dir, have, want, db.explain(err))
		}
		if have > 0 {
			db.log.Info("database migrated", "from", have, "to", want)
		}
		return nil
	})
	if errors.Is(err, ErrLocked) && db.awaitSchema(ctx, want) {
		return nil
	}
	return err
}

// migrateMost is how long the daemon that has the lock may take to bring the
// schema to the newest step, which it does when it starts.
const migrateMost = 10 * time.Second

// awaitSchema waits until another process has brought the schema to the step,
// and tells whether it has.
func (db *DB) awaitSchema(ctx context.Context, want int64) bool {
	ctx, cancel := context.WithTimeout(ctx, migrateMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if have, err := db.schema(ctx); err == nil && have == want {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// schema is the number of the newest step that was applied; 0 for an empty
// database. It only reads, for a daemon may be running.
func (db *DB) schema(ctx context.Context) (version int64, err error) {
	var made bool
	err = db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'goose_db_version')`).Scan(&made)
	if err != nil || !made {
		return 0, err
	}
	err = db.reader.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&version)
	return version, err
}

// alone runs do while no daemon but this one works on the database: an older
// daemon would not understand a changed schema.
func (db *DB) alone(do func() error) error {
	if db.lock != nil {
		return do()
	}
	file, err := lock(db.dir)
	if err != nil {
		return fmt.Errorf("the schema must change first, which needs the daemon stopped: %w", err)
	}
	return errors.Join(do(), file.Close())
}
