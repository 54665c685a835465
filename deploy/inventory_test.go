package deploy

import (
	"fmt"
	"testing"
)

func list(pairs ...string) (i Inventory) {
	for n := 0; n < len(pairs); n += 2 {
		i.Packages = append(i.Packages, Package{Kind: PackageDeb, Name: pairs[n], Version: pairs[n+1], Arch: "amd64"})
	}
	i.Sort()
	return i
}

func TestDifferenceIsToldPackageByPackage(t *testing.T) {
	before := list("openssl", "3.0.15-1", "libc6", "2.36", "gone", "1", "same", "1", "twice", "1", "twice", "2")
	after := list("openssl", "3.0.17-1", "libc6", "2.37", "new", "1", "same", "1", "twice", "1", "twice", "3")
	got := fmt.Sprint(Compare(before, after))
	want := "[gone 1 (gone) libc6 2.36 → 2.37 new 1 (new) openssl 3.0.15-1 → 3.0.17-1 twice 2 → 3]"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if same := Compare(before, before); len(same) != 0 {
		t.Errorf("a list differs from itself: %v", same)
	}
}

func TestDifferenceInOneLineNamesWhatMattersMost(t *testing.T) {
	changes := Compare(list("a", "1", "b", "1", "openssl", "3.0.15-1"), list("b", "2", "c", "1", "openssl", "3.0.17-1"))
	if got := Brief(changes); got != "b 1 → 2, 3 more" {
		t.Errorf("%q", got)
	}
	for i := range changes {
		if changes[i].Name == "openssl" {
			changes[i].Security = true
		}
	}
	if got := Brief(changes); got != "openssl 3.0.15-1 → 3.0.17-1, 3 more" {
		t.Errorf("%q", got)
	}
	changes[2].CVEs = []string{"CVE-2026-3", "CVE-2026-1", "CVE-2026-2"}
	if got := Brief(changes[2:3]); got != changes[2].String()+"; closes CVE-2026-1, CVE-2026-2 and 1 more" {
		t.Errorf("%q", got)
	}
	if Brief(nil) != "" {
		t.Error("nothing is told of nothing")
	}
}
