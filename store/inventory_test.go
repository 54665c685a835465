package store_test

import (
	"reflect"
	"testing"

	"teal/deploy"
)

func TestPackageListStaysWithItsReleaseAndGoesWithItsApp(t *testing.T) {
	f := newFixture(t)
	_, err := f.Inventory(t.Context(), "shop", f.release(t).Number)
	wantErr(t, err, deploy.ErrNotFound)
	wantErr(t, f.SetInventory(t.Context(), "shop", 9, deploy.Inventory{}), deploy.ErrNotFound)
	want := deploy.Inventory{
		System: "Debian", Distro: "debian", Codename: "bookworm", Unknown: []string{"rpm"},
		Packages: []deploy.Package{{Kind: deploy.PackageDeb, Name: "libssl3", Version: "3.0.15", Arch: "amd64", Source: "openssl"}},
	}
	ok(t, f.SetInventory(t.Context(), "shop", 1, deploy.Inventory{System: "wrong"}))
	ok(t, f.SetInventory(t.Context(), "shop", 1, want))
	f.reopen(t)
	if got := must(f.Inventory(t.Context(), "shop", 1))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	ok(t, f.DeleteApp(t.Context(), "shop"))
	_, err = f.Inventory(t.Context(), "shop", 1)
	wantErr(t, err, deploy.ErrNotFound)
}
