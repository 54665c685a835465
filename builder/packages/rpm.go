package packages

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // rpm's database is one

	"teal/deploy"
)

// rpmSQLite reads rpmdb.sqlite: a table of package headers.
func rpmSQLite(ctx context.Context, data []byte) (_ []deploy.Package, err error) {
	dir, err := os.MkdirTemp("", "teal-rpm-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "rpmdb.sqlite")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	// Immutable: its write-ahead log stayed behind in the image, and holds nothing.
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&immutable=1"}).String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, `SELECT blob FROM Packages`)
	if err != nil {
		return nil, fmt.Errorf("the rpm database makes no sense: %w", err)
	}
	defer rows.Close()
	var all []deploy.Package
	for rows.Next() {
		var blob []byte
		if err := rows.Scan(&blob); err != nil {
			return nil, err
		}
		p, err := rpmHeader(blob)
		if err != nil {
			return nil, err
		}
		if p.Name != "gpg-pubkey" { // a key, kept as if it were a package
			all = append(all, p)
		}
	}
	return all, rows.Err()
}

// The tags of a header that are read, and its types of values (rpm's "Package
// Header Format").
const (
	rpmName, rpmVersion, rpmRelease, rpmEpoch, rpmArch = 1000, 1001, 1002, 1003, 1022

	rpmInt32, rpmString = 4, 6
)

var errRPM = errors.New("the rpm database has a package header that makes no sense")

// rpmHeader reads a header as the database keeps it: the number of entries, the
// length of the values, the entries {tag, type, offset, count}, the values; all
// numbers of 32 bits, big endian.
func rpmHeader(b []byte) (deploy.Package, error) {
	if len(b) < 8 {
		return deploy.Package{}, errRPM
	}
	entries, length := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if 8+16*entries+length > int64(len(b)) {
		return deploy.Package{}, errRPM
	}
	values := b[8+16*entries:]
	words := map[uint32]string{}
	for i := range entries {
		e := b[8+16*i:]
		tag, kind, offset := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), int64(binary.BigEndian.Uint32(e[8:]))
		if offset > int64(len(values)) {
			return deploy.Package{}, errRPM
		}
		switch value := values[offset:]; {
		case kind == rpmString:
			text, _, _ := bytes.Cut(value, []byte{0})
			words[tag] = string(text)
		case kind == rpmInt32 && tag == rpmEpoch && len(value) >= 4:
			words[tag] = fmt.Sprint(binary.BigEndian.Uint32(value))
		}
	}
	p := deploy.Package{Kind: deploy.PackageRPM, Name: words[rpmName], Version: words[rpmVersion] + "-" + words[rpmRelease], Arch: words[rpmArch]}
	if epoch := words[rpmEpoch]; epoch != "" {
		p.Version = epoch + ":" + p.Version
	}
	if p.Name == "" {
		return p, errRPM
	}
	return p, nil
}
