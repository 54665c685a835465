package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver, without cgo
)

// durability is what a write must survive, as SQLite's word for it. doc.go has the rules.
type durability string

const (
	durable  durability = "FULL"   // a power cut
	progress durability = "NORMAL" // the death of the process
)

// The write-ahead log is folded into the database by the write that finds it
// longer than this many pages of 4 KiB. That takes milliseconds, so progress
// writes do it early and the commit point hardly ever meets it.
var checkpointAfter = map[durability]int{durable: 8000, progress: 1000}

const (
	// Another process may hold the database: one that makes a user, or a backup.
	busyTimeout = 5 * time.Second
	readers     = 4
)

func (db *DB) connect() (err error) {
	path := filepath.Join(db.dir, "teal.db")
	// SQLite would make it readable by all; its -wal and -shm take after it.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the database: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("cannot open the database: %w", err)
	}
	// A write transaction takes the write lock when it begins: one that begins
	// with reading and then finds the lock taken could not wait for it.
	db.writer, err = sql.Open("sqlite", dsn(path, url.Values{"_txlock": {"immediate"}},
		"journal_mode(wal)", "synchronous(full)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointAfter[durable]), "foreign_keys(1)", "journal_size_limit(67108864)"))
	if err != nil {
		return fmt.Errorf("cannot open the database: %w", err)
	}
	db.writer.SetMaxOpenConns(1)
	db.kept = durable
	db.reader, err = sql.Open("sqlite", dsn(path, nil, "query_only(1)"))
	if err != nil {
		return fmt.Errorf("cannot open the database: %w", err)
	}
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers / 2)
	db.reader.SetConnMaxIdleTime(5 * time.Minute)
	return nil
}

func dsn(path string, query url.Values, pragmas ...string) string {
	if query == nil {
		query = url.Values{}
	}
	// "x" in double quotes shall be a column or an error, never a text.
	query.Set("_dqs", "0")
	query["_pragma"] = append(pragmas,
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"temp_store(memory)", // nothing lies around in /tmp
		"cache_size(-1000)",  // 1,000 KiB per connection
		"trusted_schema(0)")
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// tx is a write transaction.
type tx struct {
	*sql.Tx
	ctx context.Context
}

// exec runs a statement and gives the number of rows that it changed.
func (t tx) exec(query string, args ...any) (rows int64, err error) {
	r, err := t.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert runs a statement and gives the number of the new row.
func (t tx) insert(query string, args ...any) (id int64, err error) {
	r, err := t.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func (t tx) row(query string, args ...any) *sql.Row {
	return t.QueryRowContext(t.ctx, query, args...)
}

// write does all of do, or nothing, in one transaction of the one writer.
func (db *DB) write(ctx context.Context, kept durability, do func(t tx) error) error {
	select {
	case db.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting to write to the store: %w", context.Cause(ctx))
	}
	defer func() { <-db.turn }()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// From here to the end without the context: had it ended during COMMIT, the
	// caller would be told of an error that did not happen.
	ctx = context.WithoutCancel(ctx)
	if err := db.keep(ctx, kept); err != nil {
		return db.explain(err)
	}
	begun, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return db.explain(err)
	}
	defer begun.Rollback() //nolint:errcheck // says "already done" after Commit
	if err := do(tx{Tx: begun, ctx: ctx}); err != nil {
		return db.explain(err)
	}
	return db.explain(begun.Commit())
}

// keep sets what the next transaction shall survive. SQLite refuses to change
// that inside one. A new connection begins with durable, so a wrong guess
// after a reconnect is on the safe side.
func (db *DB) keep(ctx context.Context, kept durability) error {
	if db.kept == kept {
		return nil
	}
	set := fmt.Sprintf("PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d", kept, checkpointAfter[kept])
	if _, err := db.writer.ExecContext(ctx, set); err != nil {
		return err
	}
	db.kept = kept
	return nil
}

// queryer reads: a pool, or a transaction that shall see its own writes.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// collect gives every row of a query.
func collect[T any](ctx context.Context, q queryer, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// bound keeps a list that someone asked for within reason.
func bound(limit int) int {
	const most = 10_000
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}
