package store_test

import (
	"reflect"
	"testing"
	"time"

	"teal/deploy"
)

var changes = []deploy.Change{{Kind: deploy.PackageDeb, Name: "openssl", Arch: "amd64", Old: "3.0.15-1", New: "3.0.17-1", Security: true, CVEs: []string{"CVE-2026-1"}}}

func TestWhatPatchRunsFoundIsRemembered(t *testing.T) {
	f := newFixture(t)
	if got := must(f.PatchRecord(t.Context(), "shop"))(t); !reflect.DeepEqual(got, deploy.PatchRecord{}) {
		t.Errorf("a run that never was: %+v", got)
	}
	want := deploy.PatchRecord{
		Release: 3, CheckedAt: f.clock.Now(), Failures: 2, FailedKey: "abc", NotBefore: f.clock.Now().Add(time.Hour),
		IdleKey: "def", IdleRelease: 3, IdleUntil: f.clock.Now().Add(24 * time.Hour),
		Pending: deploy.Pending{Changes: changes, Bases: []string{"debian:12"}, Contents: []string{"sha256:1"}, Unknown: []string{"rpm"}, Remedy: "rebuild", Stack: "teal/go"},
		Stack:   "teal/go", FailedAt: f.clock.Now(),
	}
	ok(t, f.SetPatchRecord(t.Context(), "shop", deploy.PatchRecord{Release: 1}))
	ok(t, f.SetPatchRecord(t.Context(), "shop", want))
	f.reopen(t)
	if got := must(f.PatchRecord(t.Context(), "shop"))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	wantErr(t, f.SetPatchRecord(t.Context(), "nope", want), deploy.ErrNotFound)
}

func TestDifferenceOfAPatchIsPartOfItsDeployment(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePatch)
	d.State, d.Changes = deploy.Building, changes
	d = must(f.UpdateDeployment(t.Context(), d, "building", nil))(t)
	if got := must(f.Deployment(t.Context(), d.ID))(t); !reflect.DeepEqual(got.Changes, changes) {
		t.Errorf("changes are %+v", got.Changes)
	}
}
