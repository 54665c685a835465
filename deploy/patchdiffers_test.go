package deploy

import (
	"strings"
	"testing"
)

func TestBuildAnewShipsNothingOnlyBecauseSomethingCouldNotBeTold(t *testing.T) {
	live := Release{Image: "sha256:old"}
	unknown := Pending{Unknown: []string{"whether there is a newer base:1: its registry does not answer"}}
	known := Pending{Changes: []Change{{Kind: PackageDeb, Name: "openssl", Old: "1", New: "2"}}}
	newer := Pending{Bases: []string{"base:1"}}
	system := Inventory{Packages: []Package{{Kind: PackageDeb, Name: "openssl", Version: "1"}}}
	library, openssl := []Change{{Kind: PackagePyPI, Name: "flask", Old: "3.0", New: "3.1"}}, known.Changes
	for _, c := range []struct {
		name    string
		image   string
		foreign bool
		before  Inventory
		changes []Change
		pending Pending
		want    bool
	}{
		{"other bits, nothing known", "sha256:new", false, Inventory{}, nil, unknown, false},
		{"other bits, and a newer base was found and not fetched", "sha256:new", false, Inventory{}, nil, newer, false},
		{"other bits on another base", "sha256:new", true, Inventory{}, nil, unknown, true},
		{"the same bits on another base", "sha256:old", true, Inventory{}, nil, newer, false},
		{"other bits with the same packages", "sha256:new", true, system, nil, newer, false},
		{"a newer language on the same system", "sha256:new", false, system, []Change{{Kind: PackageRuntime, Name: "node", Old: "24.1.0", New: "24.2.0"}}, newer, true},
		{"another library, nothing known", "sha256:new", false, system, library, unknown, false},
		{"another library with an update", "sha256:new", false, system, append(library, openssl...), known, true},
		{"an update that no archive told", "sha256:new", false, system, openssl, unknown, true},
	} {
		if got := differs(live, Patched{Built: Built{Image: c.image}, Foreign: c.foreign}, c.before, c.changes, c.pending); got != c.want {
			t.Errorf("%s: %t, not %t", c.name, got, c.want)
		}
	}
}

func TestLayerIsAdvisedWhereOneCanBeLaid(t *testing.T) {
	t.Parallel()
	pending := Pending{Changes: []Change{{Kind: PackageDeb, Name: "openssl", Old: "1", New: "2"}}}
	for _, c := range []struct {
		patched Patched
		advised bool
		said    string
	}{
		{Patched{}, true, "[patch] layer = true in teal.toml lays them over the image"},
		{Patched{Built: Built{Settings: Settings{Patch: PatchSettings{Layer: true}}}}, false, "neither the base image nor the app's own steps bring them"},
		{Patched{Unlayered: "there is no apt-get in it"}, false, ", nor can they be laid over the image: there is no apt-get in it"},
	} {
		if got := stale(pending, c.patched); strings.Contains(got, "layer = true") != c.advised || !strings.HasSuffix(got, c.said) {
			t.Errorf("%+v: %q", c.patched, got)
		}
	}
}
