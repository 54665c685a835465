package packages

import (
	"bytes"
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
