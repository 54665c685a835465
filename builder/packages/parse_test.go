package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

// TestDpkgListIsWhatDpkgSays compares with dpkg itself, on the packages of the
// machine that runs the test.
func TestDpkgListIsWhatDpkgSays(t *testing.T) {
	status, err := os.ReadFile(statusFile)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range dpkg(status) {
		source, version := p.From()
		got = append(got, fmt.Sprintf("%s %s %s %s %s", p.Name, p.Version, p.Arch, source, version))
	}
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if state, rest, _ := strings.Cut(strings.TrimSpace(line), " "); state != "config-files" && state != "not-installed" {
			want = append(want, rest)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query says %d; first difference: %s", len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q and %q", a[i], b[i])
		}
	}
	return "one is longer"
}

func TestDistrolessParagraphsCountAsInstalled(t *testing.T) {
	got := dpkg([]byte("Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nSource: glibc\nDescription: C library\n with: a line that looks like a field\n\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"))
	want := []deploy.Package{{Kind: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "glibc"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestWhatHasFilesInTheSystemIsListed(t *testing.T) {
	for status, listed := range map[string]bool{
		"install ok installed": true, "hold ok installed": true, "deinstall ok installed": true,
		"install ok unpacked": true, "install ok half-configured": true, "install reinstreq half-installed": true, "install ok triggers-awaited": true,
		"deinstall ok config-files": false, "unknown ok not-installed": false, "purge ok not-installed": false,
	} {
		if got := dpkg([]byte("Package: a\nStatus: " + status + "\nVersion: 1\n")); (len(got) == 1) != listed {
			t.Errorf("%q: %+v", status, got)
		}
	}
}

func TestPackageOfTwoArchitecturesIsListedTwice(t *testing.T) {
	list := deploy.Inventory{Packages: dpkg([]byte("Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\nMulti-Arch: same\n\n" +
		"Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: i386\nMulti-Arch: same\n"))}
	list.Sort()
	if len(list.Packages) != 2 || list.Packages[0].Arch != "amd64" || list.Packages[1].Arch != "i386" {
		t.Errorf("%+v", list.Packages)
	}
}

func TestAlpineDatabaseIsRead(t *testing.T) {
	got := apk([]byte("C:Q1xyz=\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:lib\nR:ld.so\n\nP:libcrypto3\nV:3.3.2-r1\nA:x86_64\no:openssl\np:so:libcrypto.so.3=3 ssl=1 cmd:c_rehash=3.3.2-r1\nF:usr/lib\nR:libcrypto.so.3\na:0:0:755\n"))
	want := []deploy.Package{
		{Kind: "apk", Name: "musl", Version: "1.2.5-r0", Arch: "x86_64"},
		{Kind: "apk", Name: "libcrypto3", Version: "3.3.2-r1", Arch: "x86_64", Source: "openssl"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzHostileDatabases(f *testing.F) {
	f.Add([]byte("Package: a\nVersion: 1\n\nP:a\nV:1\n"))
	f.Add([]byte(`{"packages":{"node_modules/a":{"version":"1"}}}`))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x03\xe8\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x01abc\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dpkg(b)
		apk(b)
		OSRelease(b)
		_, _ = npmLock(b)
		_, _ = rpmHeader(b)
		hostileRPM(t, b)
		_, _ = distInfo(strings.NewReader(string(b)))
		goModules(bytes.NewReader(b))
		_, _ = crates(bytes.NewReader(b), "a")
		_, _ = auditable(b, "a")
		_, _ = readJar("a.jar", bytes.NewReader(b))
		_, _ = pnpmLock(b)
		_, _ = yarnState(b)
		_, _ = composerInstalled(b)
		gemspec("a-1.gemspec", bytes.NewReader(b))
		packageJSON("a", bytes.NewReader(b))
	})
}

func TestNPMListIsOfWhatIsInstalled(t *testing.T) {
	got, err := npmLock([]byte(`{"packages": {"": {"name": "shop", "version": "1.0.0"},
		"node_modules/express": {"version": "4.19.2"}, "node_modules/a/node_modules/@x/y": {"version": "2.0.0"},
		"node_modules/alias": {"name": "real", "version": "3.0.0"}, "node_modules/here": {"link": true, "version": "1.0.0"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	list := deploy.Inventory{Packages: got}
	list.Sort()
	want := []deploy.Package{
		{Kind: "npm", Name: "@x/y", Version: "2.0.0"}, {Kind: "npm", Name: "express", Version: "4.19.2"}, {Kind: "npm", Name: "real", Version: "3.0.0"},
	}
	if !slices.Equal(list.Packages, want) {
		t.Errorf("%+v", list.Packages)
	}
}
