package packages

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

var (
	subject = Subject{
		App: "shop", Release: 7, Image: "sha256:" + strings.Repeat("ab", 32), Tool: "teal-1.0",
		Made: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	sample = deploy.Inventory{
		System: "Debian GNU/Linux 12 (bookworm)", Distro: "debian", Codename: "bookworm", Edition: "12", Unknown: []string{"something"},
		Packages: []deploy.Package{
			{Kind: "deb", Name: "libssl3", Version: "3.0.15-1~deb12u1", Arch: "amd64", Source: "openssl"},
			{Kind: "deb", Name: "libstdc++6", Version: "2:1.0+b1", Arch: "amd64"},
			{Kind: "golang", Name: "golang.org/x/net", Version: "v0.30.0"},
			{Kind: "golang", Name: "stdlib", Version: "1.26.8"},
			{Kind: "npm", Name: "@x/y", Version: "2.0.0"},
			{Kind: "pypi", Name: "typing_extensions", Version: "4.12"},
		},
	}
)

func TestPackageURLsFollowTheirSpecification(t *testing.T) {
	want := []string{
		"pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl",
		"pkg:deb/debian/libstdc%2B%2B6@2:1.0%2Bb1?arch=amd64&distro=debian-12",
		"pkg:golang/golang.org/x/net@v0.30.0", "pkg:golang/stdlib@1.26.8",
		"pkg:npm/%40x/y@2.0.0", "pkg:pypi/typing-extensions@4.12",
	}
	for i, p := range sample.Packages {
		if got := purl(p, sample); got != want[i] {
			t.Errorf("%s, want %s", got, want[i])
		}
	}
}

func TestPackageURLsSayWhatScannersMatchBy(t *testing.T) {
	for _, c := range []struct {
		i    deploy.Inventory
		p    deploy.Package
		want string
	}{
		{deploy.Inventory{Distro: "alpine", Edition: "3.20.3"}, deploy.Package{Kind: "apk", Name: "libcrypto3", Version: "3.3.2-r1", Arch: "x86_64", Source: "openssl"}, "pkg:apk/alpine/libcrypto3@3.3.2-r1?arch=x86_64&distro=alpine-3.20.3&upstream=openssl"},
		{deploy.Inventory{Distro: "fedora", Edition: "40"}, deploy.Package{Kind: "rpm", Name: "curl", Version: "1:8.6.0-7.fc40", Arch: "x86_64"}, "pkg:rpm/fedora/curl@8.6.0-7.fc40?arch=x86_64&distro=fedora-40&epoch=1"},
		{deploy.Inventory{Distro: "rhel", Edition: "9.4"}, deploy.Package{Kind: "rpm", Name: "bash", Version: "5.1-9.el9", Arch: "x86_64"}, "pkg:rpm/redhat/bash@5.1-9.el9?arch=x86_64&distro=rhel-9.4"},
		{deploy.Inventory{Distro: "opensuse-leap", Edition: "15.6"}, deploy.Package{Kind: "rpm", Name: "bash", Version: "4.4"}, "pkg:rpm/opensuse/bash@4.4?distro=opensuse-leap-15.6"},
		{deploy.Inventory{Distro: "debian", Codename: "forky"}, deploy.Package{Kind: "deb", Name: "libc6", Version: "2.42-1", Source: "glibc", SourceVersion: "2.42-1~x"}, "pkg:deb/debian/libc6@2.42-1?distro=debian-forky&upstream=glibc%402.42-1~x"},
		{deploy.Inventory{}, deploy.Package{Kind: "apk", Name: "musl", Version: "1"}, "pkg:apk/musl@1"},
		{deploy.Inventory{Distro: "debian"}, deploy.Package{Kind: "maven", Name: "org.slf4j:slf4j-api", Version: "2.0.16"}, "pkg:maven/org.slf4j/slf4j-api@2.0.16"},
		{deploy.Inventory{}, deploy.Package{Kind: "maven", Name: "spring-core", Version: "6.1.14"}, "pkg:generic/spring-core@6.1.14"},
		{deploy.Inventory{}, deploy.Package{Kind: "composer", Name: "psr/log", Version: "3.0.2"}, "pkg:composer/psr/log@3.0.2"},
		{deploy.Inventory{}, deploy.Package{Kind: "gem", Name: "rack", Version: "3.1.8"}, "pkg:gem/rack@3.1.8"},
		{deploy.Inventory{}, deploy.Package{Kind: "cargo", Name: "serde", Version: "1.0.210"}, "pkg:cargo/serde@1.0.210"},
	} {
		if got := purl(c.p, c.i); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// object is a JSON object that a test looks into.
type object map[string]any

func (o object) needs(t *testing.T, where string, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if v, ok := o[k]; !ok || v == "" {
			t.Errorf("%s has no %s", where, k)
		}
	}
}

func list(v any) (all []object) {
	items, _ := v.([]any)
	for _, i := range items {
		m, _ := i.(map[string]any)
		all = append(all, m)
	}
	return all
}

// TestSPDXDocumentHasWhatTheSpecificationRequires: the mandatory fields of
// clauses 6, 7 and 11 of SPDX 2.3.
func TestSPDXDocumentHasWhatTheSpecificationRequires(t *testing.T) {
	text, err := SPDX(subject, sample)
	if err != nil {
		t.Fatal(err)
	}
	var d object
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	d.needs(t, "document", "spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "relationships")
	if d["spdxVersion"] != "SPDX-2.3" || d["dataLicense"] != "CC0-1.0" || d["SPDXID"] != "SPDXRef-DOCUMENT" || strings.Contains(d["documentNamespace"].(string), "#") {
		t.Errorf("%s", text)
	}
	object(d["creationInfo"].(map[string]any)).needs(t, "creationInfo", "created", "creators")
	id := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	seen := map[any]bool{"SPDXRef-DOCUMENT": true}
	for _, p := range list(d["packages"]) {
		p.needs(t, "package", "SPDXID", "name", "downloadLocation", "filesAnalyzed")
		if !id.MatchString(p["SPDXID"].(string)) || seen[p["SPDXID"]] {
			t.Errorf("identifier %v", p["SPDXID"])
		}
		seen[p["SPDXID"]] = true
		for _, r := range list(p["externalRefs"]) {
			r.needs(t, "reference", "referenceCategory", "referenceType", "referenceLocator")
		}
	}
	if len(seen) != len(sample.Packages)+2 {
		t.Errorf("%d identifiers", len(seen))
	}
	describes := 0
	for _, r := range list(d["relationships"]) {
		r.needs(t, "relationship", "spdxElementId", "relationshipType", "relatedSpdxElement")
		if !seen[r["spdxElementId"]] || !seen[r["relatedSpdxElement"]] {
			t.Errorf("%v relates what is not there", r)
		}
		if r["relationshipType"] == "DESCRIBES" {
			describes++
		}
	}
	if describes != 1 {
		t.Errorf("%d DESCRIBES", describes)
	}
}

// TestCycloneDXDocumentHasWhatTheSpecificationRequires: the required members of
// the JSON schema of CycloneDX 1.5, and the forms of its identifiers.
func TestCycloneDXDocumentHasWhatTheSpecificationRequires(t *testing.T) {
	text, err := CycloneDX(subject, sample)
	if err != nil {
		t.Fatal(err)
	}
	var d object
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	d.needs(t, "document", "bomFormat", "specVersion", "version", "serialNumber", "metadata", "components")
	serial := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	if d["bomFormat"] != "CycloneDX" || d["specVersion"] != "1.5" || !serial.MatchString(d["serialNumber"].(string)) {
		t.Errorf("%s", text)
	}
	metadata := object(d["metadata"].(map[string]any))
	metadata.needs(t, "metadata", "timestamp", "tools", "component")
	refs := map[any]bool{}
	for _, c := range append(list(d["components"]), metadata["component"].(map[string]any)) {
		c.needs(t, "component", "type", "name", "bom-ref")
		if refs[c["bom-ref"]] {
			t.Errorf("%v is there twice", c["bom-ref"])
		}
		refs[c["bom-ref"]] = true
	}
	if len(refs) != len(sample.Packages)+2 {
		t.Errorf("%d components", len(refs))
	}
}

func TestSameReleaseGivesTheSameDocument(t *testing.T) {
	for _, write := range []func(Subject, deploy.Inventory) ([]byte, error){SPDX, CycloneDX} {
		a, _ := write(subject, sample)
		b, _ := write(subject, sample)
		if string(a) != string(b) {
			t.Error("two documents of one release differ")
		}
	}
}
