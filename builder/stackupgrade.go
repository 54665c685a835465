package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/docker/docker/api/types/image"

	"teal/builder/packages"
)

// An official image is made anew weeks after Debian's archives have an update, so
// the stack images of it that apps run on get what the archives have beyond it, by
// its own apt. What they hold is known by that image's digest and the packages.

// upgradeList is where the server's own sources are while that lasts.
const upgradeList = "/run/teal.list"

// upgrading is the RUN instruction, with the file that it needs of the context.
func (s *Stack) upgrading() (line string, files []namedFile) {
	// Impatient: what can't be had today comes tomorrow.
	apt := "apt-get -qq -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 -o APT::Update::Error-Mode=any"
	var mounts []string
	if len(s.aptSources) > 0 {
		files = []namedFile{{"sources.list", []byte(strings.ReplaceAll(strings.Join(s.aptSources, "\n"), "{codename}", s.debianSuite) + "\n")}}
		mounts = []string{"--mount=type=bind,source=sources.list,target=" + upgradeList}
		apt += " -o Dir::Etc::SourceList=" + upgradeList + " -o Dir::Etc::SourceParts=-"
	}
	mounts = append(mounts,
		"--mount=type=cache,id=apt-official-lists,sharing=locked,target=/var/lib/apt/lists",
		"--mount=type=cache,id=apt-official-archives,sharing=locked,target=/var/cache/apt",
		"--mount=type=tmpfs,target=/tmp")
	return "RUN " + strings.Join(mounts, " \\\n    ") + " \\\n    " + strings.Join([]string{
		"export DEBIAN_FRONTEND=noninteractive LC_ALL=C", apt + " update",
		apt + " -y -o Dpkg::Options::=--force-confold --no-install-recommends --with-new-pkgs upgrade",
		"rm -rf /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig /var/cache/debconf/*-old /var/lib/dpkg/*-old",
	}, " && \\\n    "), files
}

// upgraded is the product of a Dockerfile over the official image of that digest,
// as dockerfile writes it round what upgrades that image. Where the archives do not
// answer, or the image has no apt, it is made without.
func (s *Stack) upgraded(ctx context.Context, name, ref, digest string, dockerfile func(upgrade ...string) string, files ...namedFile) (*product, error) {
	upgrade, further := s.upgrading()
	files = append(files, further...)
	script := dockerfile("ARG AS_OF", upgrade)
	p := &product{source: ref, official: ref, script: script + digest + contentsOf(files)}
	same, err := s.sameOfficial(ctx, name, p.script)
	if err != nil || same != nil {
		return same, err
	}
	p.install = func(ctx context.Context, name string, labels map[string]string, said *progress) error {
		said.say("pulling %s", ref)
		if err := s.pull(ctx, ref); err != nil {
			return err
		}
		context := append([]namedFile{{"Dockerfile", []byte(script)}}, files...)
		err := s.buildWith(ctx, name, labels, s.asOf(), said, context...)
		var failed *solveError
		if !errors.As(err, &failed) {
			return err
		}
		said.say("%s could not be upgraded (%s): going on with it as it is", ref, unwrapped(failed.message))
		context[0].data = []byte(dockerfile())
		p.behind = true
		return s.buildWith(ctx, name, labels, s.asOf(), said, context...)
	}
	return p, nil
}

// sameOfficial gives the stack image as it is when it was made in this way of the
// same official image, and no archive is known to have something newer.
func (s *Stack) sameOfficial(ctx context.Context, name, script string) (*product, error) {
	version, err := s.lists().File(ctx, s.prefix+tagged(name), versionFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it is not there
	}
	same, status, err := s.madeAs(ctx, name, func(list string) string { return hashOf(script, list, string(version)) })
	if err != nil || same == nil {
		return nil, err
	}
	results, err := s.scanReady(ctx, []scanned{{status: status, codename: s.releaseOf(ctx, s.prefix+tagged(name))}})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil && len(results[0].changes) > 0 {
		return nil, nil
	}
	return same, nil
}

// releaseOf is the release of Debian that an image says it is; where it does not,
// the one that is bootstrapped.
func (s *Stack) releaseOf(ctx context.Context, ref string) string {
	text, _ := s.lists().File(ctx, ref, "/etc/os-release")
	if release := packages.OSRelease(text)["VERSION_CODENAME"]; codename.MatchString(release) {
		return release
	}
	return s.debianSuite
}

// neverBack refuses a product that could not be upgraded in place of an image of
// the same official one that could, as long as it has older packages than that.
func (s *Stack) neverBack(ctx context.Context, old image.InspectResponse, product *product) error {
	if !product.behind || old.Config == nil || old.Config.Labels[labelOfficial] != product.official {
		return nil
	}
	status, err := s.lists().Status(ctx, old.ID)
	if err != nil {
		return engineError(ctx, s.engine, err)
	}
	has := map[string]string{}
	for _, p := range packages.Dpkg(status) {
		has[p.Name+" "+p.Arch] = p.Version
	}
	for _, p := range packages.Dpkg(product.status) {
		if was := has[p.Name+" "+p.Arch]; was != "" && compareVersions(p.Version, was) < 0 {
			return fmt.Errorf("%s could not be upgraded, and its %s %s is older than %s in the image that is here, which stays", product.official, p.Name, p.Version, was)
		}
	}
	return nil
}
