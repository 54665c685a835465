package packages

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

// rpmSpec is a package whose header is longer than a page of a database.
const rpmSpec = "Name: %s\nVersion: 2.12\nRelease: 3.fc40\nEpoch: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%%description\n%s\n%%files\n"

var rpmWant = []deploy.Package{
	{Kind: "rpm", Name: "bye", Version: "1:2.12-3.fc40", Arch: "noarch"}, {Kind: "rpm", Name: "hello", Version: "1:2.12-3.fc40", Arch: "noarch"},
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	return string(out)
}

// rpmSystem has rpm itself make a database with two packages, one of them with a
// header of several pages.
func rpmSystem(t *testing.T) (database string) {
	t.Helper()
	dir := t.TempDir()
	db := filepath.Join(dir, "db")
	run(t, "rpm", "--dbpath", db, "--initdb")
	for name, text := range map[string]string{"hello": "d", "bye": strings.Repeat("A long description of a package. ", 400)} {
		spec := filepath.Join(dir, name+".spec")
		if err := os.WriteFile(spec, fmt.Appendf(nil, rpmSpec, name, text), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "rpmbuild", "-bb", "--define", "_topdir "+dir, spec)
		run(t, "rpm", "--dbpath", db, "-i", "--justdb", "--nodeps", filepath.Join(dir, "RPMS/noarch", name+"-2.12-3.fc40.noarch.rpm"))
	}
	return filepath.Join(db, "rpmdb.sqlite")
}

// rpmHeaders gives the headers as rpm stored them.
func rpmHeaders(t *testing.T, database string) (all [][]byte) {
	t.Helper()
	file, err := os.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := rpmSQLite(t.Context(), file, func(b []byte) error { all = append(all, b); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// berkeley has Berkeley DB's own program make the database that rpm had before
// 4.16. Today's rpm can only read it.
func berkeley(t *testing.T, headers [][]byte, order string, page int) string {
	t.Helper()
	dir := t.TempDir()
	var dump strings.Builder
	fmt.Fprintf(&dump, "VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder=%s\ndb_pagesize=%d\nHEADER=END\n 00000000\n 02000000\n", order, page)
	for n, h := range headers {
		fmt.Fprintf(&dump, " %02x000000\n %s\n", n+1, hex.EncodeToString(h))
	}
	dump.WriteString("DATA=END\n")
	if err := os.WriteFile(filepath.Join(dir, "dump"), []byte(dump.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "db5.3_load", "-f", filepath.Join(dir, "dump"), filepath.Join(dir, "Packages"))
	return filepath.Join(dir, "Packages")
}

// ndb lays headers out as rpm's ndb backend does, with a free slot between them.
// No program of Debian writes that format.
func ndb(t *testing.T, headers [][]byte) string {
	t.Helper()
	little := binary.LittleEndian
	file := make([]byte, ndbPage)
	copy(file, "RpmP")
	little.PutUint32(file[12:], 1)
	for at := 2 * ndbBlock; at < ndbPage; at += ndbBlock {
		copy(file[at:], "Slot")
	}
	for n, h := range headers {
		slot := file[(2+2*n)*ndbBlock:]
		owner := uint32(7 + n)
		little.PutUint32(slot[4:], owner)
		little.PutUint32(slot[8:], uint32(len(file)/ndbBlock))
		file = append(file, "BlbS"...)
		file = little.AppendUint32(file, owner)
		file = little.AppendUint32(file, 1)
		file = little.AppendUint32(file, uint32(len(h)))
		file = append(file, h...)
		file = append(file, make([]byte, 32-len(file)%ndbBlock)...) // the tail, which is not read
	}
	path := filepath.Join(t.TempDir(), "Packages.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRPMDatabasesOfEveryFormatAreReadOutOfImages(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	made := rpmSystem(t)
	headers := rpmHeaders(t, made)
	old := berkeley(t, headers, "1234", 4096)
	names := run(t, "rpm", "--dbpath", filepath.Dir(old), "--define", "_db_backend bdb_ro", "-qa", "--qf", "%{name}\n")
	if got := strings.Fields(names); len(got) != 2 {
		t.Fatalf("rpm reads %q in the database that the test made", got)
	}
	for _, c := range []struct{ in, file string }{
		{"var/lib/rpm/rpmdb.sqlite", made},
		{"usr/lib/sysimage/rpm/rpmdb.sqlite", made},
		{"var/lib/rpm/Packages", old},
		{"var/lib/rpm/Packages", berkeley(t, headers, "4321", 512)}, // written on s390x
		{"usr/lib/sysimage/rpm/Packages.db", ndb(t, headers)},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		list := s.read(s.image(map[string]string{"etc/os-release": "PRETTY_NAME=Some\nID=fedora\n", c.in: string(text)}))
		if !slices.Equal(list.Packages, rpmWant) || len(list.Unknown) > 0 {
			t.Errorf("%s: %+v %q", c.in, list.Packages, list.Unknown)
		}
	}
}

func TestRPMHeaderThatLiesIsRefused(t *testing.T) {
	for _, b := range []string{"", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x00\x00\x06\xff\xff\xff\xff\x00\x00\x00\x01"} {
		if p, err := rpmHeader([]byte(b)); err == nil {
			t.Errorf("%q was read as %+v", b, p)
		}
	}
}

// hostileRPM has each reader look into a file of these bytes.
func hostileRPM(t *testing.T, b []byte) {
	t.Helper()
	file, err := keep(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer file.drop()
	for _, db := range rpmDatabases[1:] {
		_, _ = rpmPackages(t.Context(), file.File, db.read)
	}
}

// TestRPMDatabaseThatLiesEndsTheReading: chains that lead round in circles, and
// lengths of gigabytes, in files of a few pages.
func TestRPMDatabaseThatLiesEndsTheReading(t *testing.T) {
	header := bytes.Repeat([]byte("x"), 3000)
	for format, c := range map[string]struct {
		file string
		read int
		lie  func(b []byte)
	}{
		"a slot with gigabytes": {ndb(t, [][]byte{header}), 1, func(b []byte) { binary.LittleEndian.PutUint32(b[ndbPage+12:], 1<<31) }},
		"a slot behind the end": {ndb(t, [][]byte{header}), 1, func(b []byte) { binary.LittleEndian.PutUint32(b[2*ndbBlock+8:], 1<<30) }},
		"pages behind the end":  {ndb(t, nil), 1, func(b []byte) { binary.LittleEndian.PutUint32(b[12:], 1<<31) }},
		"a circle of pages": {berkeley(t, [][]byte{header}, "1234", 512), 2, func(b []byte) {
			for page := 512; page < len(b); page += 512 {
				if b[page+25] == bdbOverflow {
					binary.LittleEndian.PutUint32(b[page+16:], uint32(page/512))
				} else if b[page+25] == bdbHash || b[page+25] == bdbHashUnsorted {
					for at := page + bdbHead; at < page+500; at++ {
						if b[at] == bdbOffPage {
							binary.LittleEndian.PutUint32(b[at+8:], 1<<30)
						}
					}
				}
			}
		}},
		"pages of no size": {berkeley(t, nil, "1234", 512), 2, func(b []byte) { b[21] = 0 }},
	} {
		b, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		c.lie(b)
		file, err := keep(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if all, err := rpmPackages(t.Context(), file.File, rpmDatabases[c.read].read); err == nil {
			t.Errorf("%s: %+v", format, all)
		}
		file.drop()
	}
}

// header makes one of entries {tag, type, offset} and values.
func header(values string, entries ...[3]uint32) []byte {
	big := binary.BigEndian
	b := big.AppendUint32(nil, uint32(len(entries)))
	b = big.AppendUint32(b, uint32(len(values)))
	for _, e := range entries {
		b = big.AppendUint32(big.AppendUint32(big.AppendUint32(b, e[0]), e[1]), e[2])
		b = big.AppendUint32(b, 1)
	}
	return append(b, values...)
}

// TestRPMHeaderOfManyLongValuesTakesNoMemory: all its entries have the same value,
// which does not end.
func TestRPMHeaderOfManyLongValuesTakesNoMemory(t *testing.T) {
	entries := [][3]uint32{{rpmName, rpmString, 0}}
	for tag := range uint32(500) {
		entries = append(entries, [3]uint32{5000 + tag, rpmString, 0}, [3]uint32{rpmVersion, rpmString, 0})
	}
	b := header(strings.Repeat("x", 64<<10), entries...)
	var p deploy.Package
	var err error
	if n := testing.AllocsPerRun(1, func() { p, err = rpmHeader(b) }); n > 20 {
		t.Errorf("memory was taken %v times", n)
	}
	if err != nil || len(p.Name) != maxWord || len(p.Version) != maxWord+1 {
		t.Errorf("a name of %d bytes, a version of %d, %v", len(p.Name), len(p.Version), err)
	}
	if _, err := rpmHeader(header("a\x00", slices.Repeat([][3]uint32{{rpmName, rpmString, 0}}, maxEntries+1)...)); err == nil {
		t.Error("a header of too many entries was read")
	}
}

func TestRPMDatabaseOfTooManyPackagesIsRefused(t *testing.T) {
	b := header("a\x00", [3]uint32{rpmName, rpmString, 0})
	for _, c := range []struct {
		packages int
		fails    bool
	}{{maxHeaders, false}, {maxHeaders + 1, true}} {
		all, err := rpmPackages(t.Context(), nil, func(_ context.Context, _ *os.File, each func([]byte) error) error {
			for range c.packages {
				if err := each(b); err != nil {
					return err
				}
			}
			return nil
		})
		if len(all) != maxHeaders || (err != nil) != c.fails {
			t.Errorf("%d: %d packages, %v", c.packages, len(all), err)
		}
	}
}

// TestBerkeleyPagesThatAreReadAgainCount: a page of a long value that has one byte
// and names itself as the next; a value that is longer than any file; entries that
// all have the same bytes of their page.
func TestBerkeleyPagesThatAreReadAgainCount(t *testing.T) {
	const size = 64 << 10
	little := binary.LittleEndian
	long := func(length uint32) []byte {
		b := make([]byte, 3*size)
		entry, over := b[size:2*size], b[2*size:]
		entry[25], over[25] = bdbHash, bdbOverflow
		little.PutUint16(entry[20:], 2)
		little.PutUint16(entry[bdbHead:], size-100)
		little.PutUint16(entry[bdbHead+2:], size-112)
		entry[size-112] = bdbOffPage
		little.PutUint32(entry[size-108:], 2)
		little.PutUint32(entry[size-104:], length)
		little.PutUint32(over[16:], 2)
		little.PutUint16(over[22:], 1)
		return b
	}
	laid := make([]byte, 3*size)
	for _, page := range [][]byte{laid[size : 2*size], laid[2*size:]} {
		page[25] = bdbHash
		little.PutUint16(page[20:], 16000)
		for at := bdbHead; at < bdbHead+2*16000; at += 4 {
			little.PutUint16(page[at:], size-1)
			little.PutUint16(page[at+2:], size/2)
		}
		page[size/2] = bdbInline
	}
	for lie, b := range map[string][]byte{"a page that goes on with itself": long(50_000), "a length of gigabytes": long(1 << 31), "entries over one another": laid} {
		little.PutUint32(b[12:], bdbMagic)
		little.PutUint32(b[20:], size)
		b[25] = bdbMeta
		little.PutUint32(b[32:], 2)
		file, err := keep(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := rpmBDB(t.Context(), file.File, func([]byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "more than 256 MB") {
			t.Errorf("%s: %v", lie, err)
		}
		file.drop()
	}
}
