package builder

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"teal/deploy"
)

func TestWhatAptWouldDoIsRead(t *testing.T) {
	t.Parallel()
	got := parseInst(`Reading package lists...
Inst perl-base [5.36.0-7+deb12u3] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64])
Inst libssl3:i386 [3.0.20-1~deb12u2] (3.0.22-1~deb12u2 Debian:12.1/oldstable, Debian-Security:12/oldstable-security [i386]) []
Inst tzdata [2026b-0] (2026f-0 Debian:12-updates/oldstable-updates [all])
Inst apt (2.6.1 Debian:12.1/oldstable [amd64])
Conf perl-base (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64])
`)
	want := []deploy.Change{
		{Kind: deploy.PackageDeb, Name: "libssl3", Arch: "i386", Old: "3.0.20-1~deb12u2", New: "3.0.22-1~deb12u2", Security: true},
		{Kind: deploy.PackageDeb, Name: "perl-base", Arch: "amd64", Old: "5.36.0-7+deb12u3", New: "5.36.0-7+deb12u4", Security: true},
		{Kind: deploy.PackageDeb, Name: "tzdata", Arch: "all", Old: "2026b-0", New: "2026f-0"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestSourcesOfPackagesAreReadInBothFormats(t *testing.T) {
	t.Parallel()
	list := listSources("# a comment\ndeb [signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # x\ndeb-src http://m y z\n")
	stanza := stanzaSources("Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://off\nSuites: x\nComponents: main\n")
	if got := []string{list[0].String(), stanza[0].String(), stanza[1].String()}; len(list) != 1 || len(stanza) != 2 || !slices.Equal(got, []string{
		"deb http://mirror.example/debian bookworm main contrib", "deb http://mirror.example/debian bookworm main", "deb http://mirror.example/debian bookworm-updates main",
	}) {
		t.Errorf("%q", got)
	}
}

// tracker is a small document of Debian's security tracker.
const tracker = `{
 "zlib": {"CVE-2026-9": {"releases": {"bookworm": {"status": "open"}}}},
 "openssl": {
  "CVE-2026-1111": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.16-1"}, "sid": {"status": "resolved", "fixed_version": "3.5"}}},
  "CVE-2026-2222": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.17-1"}}},
  "CVE-2020-0001": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.1"}}},
  "CVE-2026-3333": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.19-1"}}},
  "CVE-2026-4444": {"releases": {"bookworm": {"status": "open"}}},
  "CVE-2026-5555": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}},
  "TEMP-0000-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.17-1"}}}
 }
}`

func TestHolesThatAnUpdateClosesAreNamedByTheTrackersDocument(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tracker.json")
	if err := os.WriteFile(file, []byte(tracker), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	mirror := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(mirror.Close)
	authority, kept := filepath.Join(t.TempDir(), "ca.pem"), t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mirror.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	i := deploy.Inventory{Distro: "debian", Codename: "bookworm", Packages: []deploy.Package{{Kind: deploy.PackageDeb, Name: "libssl3", Version: "3.0.17-1", Source: "openssl"}}}
	changes := []deploy.Change{
		{Kind: deploy.PackageDeb, Name: "libssl3", Old: "3.0.15-1", New: "3.0.17-1"},
		{Kind: deploy.PackageDeb, Name: "zlib1g", Source: "zlib", Old: "1", New: "2"},
		{Kind: deploy.PackageNPM, Name: "openssl", Old: "1", New: "9"},
	}
	for data, want := range map[string][]string{
		file: {"CVE-2026-1111", "CVE-2026-2222"}, mirror.URL: {"CVE-2026-1111", "CVE-2026-2222"},
		"": nil, file + "-is-not-there": nil,
	} {
		b := newBench(t, func(c *Config) { c.CVEData, c.CAFile, c.CacheDir = data, authority, kept })
		for range 2 {
			got := b.Explain(t.Context(), i, changes)
			if !slices.Equal(got[0].CVEs, want) || got[0].Security != (want != nil) || got[1].CVEs != nil || got[2].CVEs != nil {
				t.Errorf("%q: %+v", data, got)
			}
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the mirror was asked %d times, want once", asked.Load())
	}
}

func TestAnotherDocumentThanTheTrackersIsNotBelieved(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", `{"openssl": [1]}`, `{"openssl": {`, "<html>"} {
		file := filepath.Join(t.TempDir(), "tracker.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, func(c *Config) { c.CVEData = file })
		if _, err := b.holes(t.Context(), "bookworm", map[string]bool{"openssl": true}); err == nil {
			t.Errorf("%q is believed", text)
		}
	}
}
