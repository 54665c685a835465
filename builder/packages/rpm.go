package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"teal/deploy"
)

// maxRPM bounds an rpm database, and all the package headers in it.
const maxRPM = 256 << 20

// maxHeaders bounds the packages of an rpm database. The smallest headers have so
// few bytes that maxRPM alone would let millions through.
const maxHeaders = 100_000

// rpmDatabases are the formats that rpm has had, the newest first: a system that
// was brought up to date may still have the file of the older one.
var rpmDatabases = []struct {
	file string
	read func(ctx context.Context, file *os.File, each func(header []byte) error) error
}{
	{"rpmdb.sqlite", rpmSQLite}, // Fedora, RHEL 9, Amazon Linux 2023
	{"Packages.db", rpmNDB},     // openSUSE, SUSE Linux Enterprise
	{"Packages", rpmBDB},        // CentOS 7, RHEL 8, Amazon Linux 2
}

// rpm reads the first database that is there.
func (b *box) rpm(ctx context.Context) ([]deploy.Package, error) {
	for _, dir := range []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"} {
		for _, db := range rpmDatabases {
			name := dir + "/" + db.file
			file, err := b.fetch(ctx, name, maxRPM)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			defer file.drop()
			all, err := rpmPackages(ctx, file.File, db.read)
			if err != nil {
				err = fmt.Errorf("the rpm database %s makes no sense: %w", name, err)
			}
			return all, err
		}
	}
	return nil, nil
}

// rpmPackages lists what the headers of a database say.
func rpmPackages(ctx context.Context, file *os.File, read func(context.Context, *os.File, func([]byte) error) error) (all []deploy.Package, err error) {
	count := 0
	err = read(ctx, file, func(header []byte) error {
		if count++; count > maxHeaders {
			return fmt.Errorf("it has more than %d packages", maxHeaders)
		}
		p, err := rpmHeader(header)
		if err == nil && p.Name != "gpg-pubkey" { // a key, kept as if it were a package
			all = append(all, p)
		}
		return err
	})
	return all, err
}

// budget is what is left of the bytes that a database may have. Its own lengths
// can't be trusted: a file of a few kilobytes may claim that each of thousands of
// headers has gigabytes, and lead to the same ones again and again.
type budget int64

func (left *budget) take(n int64) error {
	if *left -= budget(n); n < 0 || *left < 0 {
		return fmt.Errorf("its headers have more than %d MB", maxRPM>>20)
	}
	return nil
}

// piece reads so many bytes at a place.
func piece(file io.ReaderAt, at, length int64) ([]byte, error) {
	b := make([]byte, length)
	if n, err := file.ReadAt(b, at); int64(n) < length {
		return nil, fmt.Errorf("%d bytes at %d: %w", length, at, err)
	}
	return b, nil
}
