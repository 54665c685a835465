package builder

import (
	"context"
	_ "embed"
	"slices"
	"strings"
)

// The run images have dpkg's database, which patching reads, but no apt: 22 MB
// that an app never calls. Packages are installed into them by the apt of
// teal/apt, which is mounted while that lasts:
//
//	RUN --mount=from=teal/apt,target=/apt /apt/install python3
//
//go:embed stackapt/install
var aptInstall []byte

//go:embed stackapt/apt.conf
var aptConf []byte

//go:embed stackapt/dpkg
var aptDpkg []byte

// minbase are mmdebstrap's arguments for teal/apt: as essential, with apt.
func minbase(essential []string) []string {
	args := slices.Clone(essential)
	if i := slices.Index(args, "--variant=essential"); i >= 0 {
		args[i] = "--variant=minbase"
	}
	return args
}

// prepareApt makes the image that packages are installed with.
func (s *Stack) prepareApt(ctx context.Context, p *progress) (*product, error) {
	return s.debian(ctx, p, "apt", minbase(s.variant),
		namedFile{"install", aptInstall}, namedFile{"apt.conf", aptConf}, namedFile{"dpkg", aptDpkg})
}

// installing is a RUN instruction that installs Debian packages.
func installing(prefix string, packages ...string) string {
	return withApt(prefix, "/apt/install "+strings.Join(packages, " "))
}

// withApt is a RUN instruction whose command may call /apt/install. What that
// fetched is kept in caches: those of Teal for stack images, and an app's own.
func withApt(prefix, command string) string {
	return strings.Join([]string{
		"RUN --mount=from=" + prefix + "apt,target=/apt",
		"    --mount=type=cache,id=apt-lists,sharing=locked,target=/var/lib/apt",
		"    --mount=type=cache,id=apt-archives,sharing=locked,target=/var/cache/apt",
		"    --mount=type=tmpfs,target=/tmp",
		"    " + command,
	}, " \\\n")
}
