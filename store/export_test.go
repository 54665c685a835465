package store

import (
	"context"
	"fmt"
)

// Synchronous tells what the writer's last transaction was made to survive: 1
// is NORMAL, 2 is FULL.
func (db *DB) Synchronous(ctx context.Context) (level int, err error) {
	err = db.writer.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&level)
	return level, err
}

// LimitPages makes the disk look full: the database may not grow beyond n pages.
func (db *DB) LimitPages(ctx context.Context, n int) (pages int, err error) {
	err = db.writer.QueryRowContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, n)).Scan(&pages)
	return pages, err
}

// Pages is the size of the database.
func (db *DB) Pages(ctx context.Context) (pages int, err error) {
	err = db.writer.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages)
	return pages, err
}

// Integrity is "ok", or what is wrong with the file.
func (db *DB) Integrity(ctx context.Context) (verdict string, err error) {
	err = db.writer.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&verdict)
	return verdict, err
}

// Exec changes the database behind the store's back.
func (db *DB) Exec(ctx context.Context, query string, args ...any) error {
	_, err := db.writer.ExecContext(ctx, query, args...)
	return err
}

// HoldTurn takes the writer's turn until release is called.
func (db *DB) HoldTurn() (release func()) {
	db.turn <- struct{}{}
	return func() { <-db.turn }
}

// QueryRow reads one row from behind the store's back.
func (db *DB) QueryRow(ctx context.Context, query string, into ...any) error {
	return db.reader.QueryRowContext(ctx, query).Scan(into...)
}

// PlanOfTheCommit tells how SQLite finds the deployments that Activate moves.
func (db *DB) PlanOfTheCommit(ctx context.Context) (plan []string, err error) {
	return collect(ctx, db.reader, func(row scanner) (detail string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}, `EXPLAIN QUERY PLAN `+moveOthers+`('promoting', 'draining', 'live')`, "warm", "shop", 1)
}
