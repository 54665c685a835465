package store

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal/deploy"
)

// DB is the store. It satisfies deploy.Store and deploy.Directory, and may be
// used from several goroutines.
type DB struct {
	dir      string
	channels []string
	log      *slog.Logger
	now      func() time.Time

	lock         *os.File // nil when shared
	writer       *sql.DB  // one connection
	reader       *sql.DB
	turn         chan struct{} // holds the one writer's turn
	kept         durability    // of the writer connection; guarded by turn
	aead         cipher.AEAD
	installation string

	closing  sync.Once
	closeErr error
}

var (
	_ deploy.Store     = (*DB)(nil)
	_ deploy.Directory = (*DB)(nil)
)

// Config is what a DB is made of.
type Config struct {
	// Dir is the data directory. It is made with mode 0700 when it is not there.
	Dir string
	// Channels are the ways out for alerts: "mail", "webhook". An alert gets one
	// outbox row for each; with none, alerts stand in the history only.
	Channels []string
	// Log tells of migrations and of files with too wide permissions; nil: slog.Default.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Shared opens without the daemon lock: for a command that does one thing,
	// while a daemon may be running on the same directory.
	Shared bool
}

// Open opens the database in c.Dir, makes what is missing and migrates the
// schema. It fails with ErrLocked when another daemon holds the directory,
// ErrNewer when a newer Teal wrote the database, ErrKey when secret.key is not
// the one that its env values were sealed with.
func Open(ctx context.Context, c Config) (*DB, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", c.Dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data directory: %w", err)
	}
	db := &DB{
		dir: dir, channels: c.Channels, log: c.Log, now: c.Now,
		turn: make(chan struct{}, 1),
	}
	if db.log == nil {
		db.log = slog.Default()
	}
	if db.now == nil {
		db.now = time.Now
	}
	if err := db.open(ctx, c.Shared); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, shared bool) (err error) {
	if !shared {
		if db.lock, err = lock(db.dir); err != nil {
			return err
		}
	}
	if err := db.connect(); err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if err := db.unlockSecrets(ctx); err != nil {
		return err
	}
	return db.identify(ctx)
}

// InstallationID is the name of this installation, 12 lower-case letters and
// digits, made once and kept: it tells our objects in the Engine from those of others.
func (db *DB) InstallationID(context.Context) (string, error) { return db.installation, nil }

func (db *DB) identify(ctx context.Context) error {
	fresh := strings.ToLower(rand.Text()[:12])
	id, err := db.meta(ctx, "installation", func() (string, error) { return fresh, nil })
	db.installation = id
	return err
}

// meta gives a value that is kept for ever, and keeps what fresh makes when there is none.
func (db *DB) meta(ctx context.Context, name string, fresh func() (string, error)) (value string, err error) {
	const read = `SELECT value FROM meta WHERE name = ?`
	err = db.reader.QueryRowContext(ctx, read, name).Scan(&value)
	if !errors.Is(err, sql.ErrNoRows) {
		return value, db.explain(err)
	}
	if value, err = fresh(); err != nil {
		return "", err
	}
	err = db.write(ctx, durable, func(t tx) error {
		if _, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, value); err != nil {
			return err
		}
		return t.row(read, name).Scan(&value)
	})
	return value, err
}

// Close waits for the write that is under way and closes the database. It may
// be called twice.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closeErr = db.close() })
	return db.closeErr
}

func (db *DB) close() error {
	var errs []error
	// The writer last: the last connection that closes folds the write-ahead
	// log into the database, and the readers may not write.
	if db.reader != nil {
		errs = append(errs, db.reader.Close())
	}
	if db.writer != nil {
		db.turn <- struct{}{}
		errs = append(errs, db.writer.Close())
		<-db.turn
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}
