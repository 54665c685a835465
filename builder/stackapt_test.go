package builder

import "testing"

// TestPackagesAreInstalledThoughTheListsAreBehindTheArchive: lists of less than an
// hour are not fetched anew, and what they name may be gone from the archive.
func TestPackagesAreInstalledThoughTheListsAreBehindTheArchive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// Made anew: the one that is here may be that of an older Teal.
	if _, err := b.stack.refresh(t.Context(), &lockedBuffer{}, false, "base", "apt"); err != nil {
		t.Fatal(err)
	}
	text := "FROM teal/base\nUSER root\n" +
		withApt("teal/", "mkdir -p /var/lib/apt/lists && touch /var/lib/apt/lists/mirror_"+b.ns+"_InRelease") + "\n" +
		installing("teal/", "tree") + "\nUSER 1001\nCMD [\"tree\"]\n"
	_, log := b.build(request(files("Dockerfile", text)))
	contains(t, log, "/apt/install tree")
}
