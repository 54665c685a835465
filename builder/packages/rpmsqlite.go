package packages

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // rpm's database is one
)

// rpmSQLite reads rpmdb.sqlite: a table of package headers.
func rpmSQLite(ctx context.Context, file *os.File, each func([]byte) error) (err error) {
	// Immutable: its write-ahead log stayed behind in the image, and holds nothing.
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: file.Name(), RawQuery: "mode=ro&immutable=1"}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, `SELECT blob FROM Packages`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for left := budget(maxRPM); rows.Next(); {
		var blob []byte
		if err := rows.Scan(&blob); err != nil {
			return err
		}
		if err := errors.Join(left.take(int64(len(blob))), each(blob)); err != nil {
			return err
		}
	}
	return rows.Err()
}
