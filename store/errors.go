package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

var (
	// ErrLocked: another daemon runs on the same data directory.
	ErrLocked = errors.New("the data directory is in use")
	// ErrNewer: the database was written by a newer Teal.
	ErrNewer = errors.New("the database is of a newer Teal")
	// ErrKey: secret.key is missing or not the right one.
	ErrKey = errors.New("the secret key does not fit the database")
	// ErrFull: there is no space left for the database.
	ErrFull = errors.New("the disk is full")
)

// explain puts the words of a person to what SQLite says about the machine.
func (db *DB) explain(err error) error {
	switch code(err) & 0xff {
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: nothing was stored in %s; what runs keeps serving: free some space there and try again (%w)", ErrFull, db.dir, err)
	case lib.SQLITE_BUSY:
		return fmt.Errorf("the database in %s was held by another process for more than %v: try again (%w)", db.dir, busyTimeout, err)
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("the database in %s is damaged: stop teal and put back a backup (%w)", db.dir, err)
	case lib.SQLITE_IOERR:
		return fmt.Errorf("the disk under %s fails: %w", db.dir, err)
	}
	return err
}

// taken tells whether a row with that key is there already.
func taken(err error) bool {
	c := code(err)
	return c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_UNIQUE
}

// dangling tells whether the row that was referred to is not there.
func dangling(err error) bool { return code(err) == lib.SQLITE_CONSTRAINT_FOREIGNKEY }

func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
