package commands

import (
	"fmt"
	"testing"

	"teal/deploy"
)

func TestPackagesOfAReleaseAreShown(t *testing.T) {
	w := newWorld(t)
	w.set.SBOM = func(format string, r deploy.Release, i deploy.Inventory) ([]byte, error) {
		return fmt.Appendf(nil, "{%q: %d of %s}\n", format, len(i.Packages), r.Name()), nil
	}
	w.run("vera", "sbom", "shop").want(t, ExitDone, "Debian GNU/Linux 12 (bookworm), 2 packages", "Cannot tell: the rpm database", "libssl3", "3.0.15-1")
	w.run("vera", "sbom", "shop", "v13", "--spdx").want(t, ExitDone, `{"spdx": 2 of v13}`)
	w.run("vera", "sbom", "shop", "--cyclonedx").want(t, ExitDone, `{"cyclonedx": 2 of v14}`)
	oneObject(t, w.run("vera", "sbom", "shop", "--json").out)
	w.run("vera", "sbom", "shop", "--spdx", "--cyclonedx").want(t, ExitUsage, "ask for one")
	w.run("vera", "sbom", "shop", "v99").want(t, ExitNotFound, "shop has no release v99")
	w.run("vera", "sbom", "shop", "latest").want(t, ExitUsage, "a release is written v12")
	w.run("nick", "sbom", "shop").want(t, ExitNotFound)
	w.broken["inventory"] = fmt.Errorf("%w: the image of v3 is gone", deploy.ErrNothing)
	w.run("vera", "sbom", "shop").want(t, ExitFailed, "the image of v3 is gone")
}
