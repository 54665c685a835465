package commands

import (
	"strings"
	"testing"
)

func TestBuildSecretsAreStoredAndNeverShown(t *testing.T) {
	w := newWorld(t)
	w.typed("dora", "s3cret\n", "build-secrets", "set", "shop", "NPM_TOKEN").want(t, ExitDone, "Stored. shop has 2 build secrets now; the next build goes by that.")
	if got := w.apps["shop"].BuildSecrets["NPM_TOKEN"]; got != "s3cret" {
		t.Errorf("stored is %q", got)
	}
	r := w.run("dora", "build-secrets", "list", "shop", "--json")
	r.want(t, ExitDone, `"NPM_TOKEN"`)
	if strings.Contains(r.out+r.err, "s3cret") {
		t.Errorf("the value is shown: %s", r.out)
	}
	w.asked() // nothing is deployed by it
	w.run("vera", "build-secrets", "list", "shop").want(t, ExitDenied)
	w.run("dora", "build-secrets", "unset", "shop", "OLD_TOKEN").want(t, ExitDone, "shop has 1 build secret now")
	w.run("dora", "build-secrets", "unset", "shop", "NO_SUCH").want(t, ExitNotFound, "shop has no build secret NO_SUCH; nothing was changed")
	w.run("dora", "build-secrets", "unset", "shop", "NPM_TOKEN").want(t, ExitDone, "shop has 0 build secrets now")
	w.run("dora", "build-secrets", "list", "shop").want(t, ExitDone, "shop has no build secrets.")
}
