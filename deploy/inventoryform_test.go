package deploy_test

import (
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// TestListThatAnOlderTealStoredIsReadAnew: else all that is read since then would
// look as if the next patch had brought it. Without the image the old one counts.
func TestListThatAnOlderTealStoredIsReadAnew(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	older := deploy.Inventory{Packages: []deploy.Package{{Kind: deploy.PackageNPM, Name: "older", Version: "1"}}}
	name := func() string {
		t.Helper()
		_, i, err := d.Inventory(ctx, "shop", 0)
		if err != nil || len(i.Packages) != 1 {
			t.Fatalf("%+v %v", i, err)
		}
		return i.Packages[0].Name
	}
	// The release that went live is listed by itself, too: by the time that the
	// first life ends.
	d = w.Open()
	if err := d.Inventories.SetInventory(ctx, "shop", 1, older); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "bits" {
		t.Errorf("the list still has %s", got)
	}
	if i, err := d.Inventories.Inventory(ctx, "shop", 1); err != nil || i.Form != deploy.InventoryForm {
		t.Errorf("stored %+v %v", i, err)
	}
	w.RemoveImages()
	if err := d.Inventories.SetInventory(ctx, "shop", 1, older); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "older" {
		t.Errorf("without the image the list has %s", got)
	}
}
