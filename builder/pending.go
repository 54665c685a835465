package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"teal/builder/packages"
	"teal/deploy"
)

// Pending implements deploy.Patcher. One container asks Debian's archives about
// all images and the stack images below them; then those stack images are
// refreshed for which there is something.
func (b *Builder) Pending(ctx context.Context, images ...string) ([]deploy.Pending, error) {
	looks := make([]look, len(images))
	for i, id := range images {
		l, err := b.look(ctx, id)
		if err := ends(ctx, err); err != nil {
			return nil, err
		}
		if err != nil {
			l.cannotTell("what it holds", err)
		}
		looks[i] = l
	}
	if err := b.askArchives(ctx, looks); err != nil {
		return nil, err
	}
	if err := b.refreshBelow(ctx, looks); err != nil {
		return nil, err
	}
	all := make([]deploy.Pending, len(images))
	for i := range looks {
		if !looks[i].gone {
			err := b.newerBases(ctx, looks[i].origin, &looks[i].Pending)
			if err := ends(ctx, err); err != nil {
				return nil, err
			}
			if err != nil {
				looks[i].cannotTell("whether its base images are newer", err)
			}
		}
		all[i] = looks[i].Pending
	}
	return all, nil
}

// look is an image that is looked at.
type look struct {
	deploy.Pending
	origin
	gone bool
	dpkg scanned // status nil: not one of Debian's
}

// ends is err where looking further is of no use: the context has ended, or the
// Engine is away. Any other one is of a single image, and blinds Teal for no other.
func ends(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, deploy.ErrEngineAway):
		return err
	}
	return nil
}

// cannotTell notes what an image is not known of.
func (l *look) cannotTell(what string, err error) {
	l.dpkg.status = nil
	l.Unknown = append(l.Unknown, what+": "+deploy.Clean(err.Error(), 300))
}

// look finds out what the image is and holds.
func (b *Builder) look(ctx context.Context, id string) (l look, err error) {
	found, err := b.config.Engine.ImageInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		l.gone, l.Unknown = true, []string{"the image is gone"}
		return l, nil
	}
	if err != nil {
		return l, engineError(ctx, b.config.Engine, err)
	}
	l.origin = originOf(found)
	l.Remedy, l.Stack = l.origin.remedy(), l.origin.stack()
	list, err := b.Packages(ctx, id)
	if err != nil {
		return l, err
	}
	l.Unknown, l.Pushed = beyond(list), pushed(list)
	if list.Distro == "alpine" && list.Of(deploy.PackageApk) > 0 {
		return l, b.askAlpine(ctx, id, list, &l.Pending)
	}
	if l.dpkg.codename = debianRelease(list); l.dpkg.codename == "" {
		return l, nil
	}
	if l.dpkg.status, err = b.lists().Status(ctx, id); err != nil {
		return l, fmt.Errorf("read the packages of %s: %w", id, engineError(ctx, b.config.Engine, err))
	}
	return l, nil
}

// askArchives fills in what is out of date.
func (b *Builder) askArchives(ctx context.Context, looks []look) error {
	var asked []scanned
	for _, l := range looks {
		if l.dpkg.status != nil {
			asked = append(asked, l.dpkg)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	below, err := b.stackDatabases(ctx, looks)
	if err != nil {
		return err
	}
	found, err := b.stack.scan(ctx, append(asked, below...))
	if err != nil {
		return err
	}
	n := 0
	for i := range looks {
		if looks[i].dpkg.status == nil {
			continue
		}
		looks[i].Changes = found[n].changes
		if found[n].unknown != "" {
			looks[i].Unknown = append(looks[i].Unknown, found[n].unknown)
		}
		looks[i].elsewhere(found[n].foreign)
		n++
	}
	return nil
}

// elsewhere notes packages of archives that are not asked, such as a language's own.
func (l *look) elsewhere(names []string) {
	if len(names) == 0 {
		return
	}
	l.Elsewhere = names
	few := slices.Clone(names[:min(3, len(names))])
	if len(names) > len(few) {
		few = append(few, "…")
	}
	l.Unknown = append(l.Unknown, fmt.Sprintf("%d packages that Debian does not have (%s)", len(names), deploy.Clean(strings.Join(few, ", "), 200)))
}

// stackBelow names the stack images that the images stand on.
func (b *Builder) stackBelow(looks []look) (names []string) {
	for _, l := range looks {
		for _, name := range l.origin.names() {
			if _, err := b.stack.wanted([]string{name}); err == nil && strings.HasPrefix(name, stackPrefix) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// stackDatabases are those of the stack images below, as far as they are there.
func (b *Builder) stackDatabases(ctx context.Context, looks []look) (all []scanned, err error) {
	for _, name := range b.stackBelow(looks) {
		status, err := b.lists().Status(ctx, name)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, engineError(ctx, b.config.Engine, err)
		}
		if status != nil {
			all = append(all, scanned{status: status, codename: b.stack.releaseOf(ctx, name)})
		}
	}
	return all, nil
}

// refreshBelow refreshes the stack images below. Where that does not work those
// that are here stay.
func (b *Builder) refreshBelow(ctx context.Context, looks []look) error {
	names := b.stackBelow(looks)
	if len(names) == 0 {
		return nil
	}
	_, err := b.stack.refresh(ctx, io.Discard, false, names...)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		b.config.Log.Warn("stack images were not refreshed", "error", err)
	}
	return nil
}

// newerBases finds those base images that have changed since.
func (b *Builder) newerBases(ctx context.Context, o origin, p *deploy.Pending) error {
	if o.kind == "" {
		p.Unknown = append(p.Unknown, "which base images it was built on: that was not noted yet")
		return nil
	}
	for _, ref := range o.names() {
		was := o.bases[ref]
		found, err := b.config.Engine.ImageInspect(ctx, ref)
		digests := digestsOf(found, ref, b.config.Mirror)
		switch {
		case errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err):
		case err != nil:
			return fmt.Errorf("look at the base image %s: %w", ref, engineError(ctx, b.config.Engine, err))
		case !was.isStill(found):
			p.Bases, p.Contents = append(p.Bases, ref), append(p.Contents, append(digests, found.ID)[0])
			continue
		}
		if strings.HasPrefix(ref, stackPrefix) || pinnedTo(ref) != "" {
			continue
		}
		if err := b.newerInRegistry(ctx, ref, append(digests, was.Digest), p); err != nil {
			return err
		}
	}
	return nil
}

// newerInRegistry asks whether the name stands for another image by now than for
// the one with these digests, of which some may be "".
func (b *Builder) newerInRegistry(ctx context.Context, ref string, digests []string, p *deploy.Pending) error {
	digest, err := b.stack.remoteDigest(ctx, ref)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		p.Unknown = append(p.Unknown, fmt.Sprintf("whether there is a newer %s: its registry does not answer", ref))
	case strings.Join(digests, "") == "":
		p.Unknown = append(p.Unknown, fmt.Sprintf("whether there is a newer %s: what it was built on did not come from a registry", ref))
	case !slices.Contains(digests, digest):
		p.Bases, p.Contents = append(p.Bases, ref), append(p.Contents, digest)
	}
	return nil
}

// beyond says what of an image no archive can be asked about.
func beyond(list deploy.Inventory) []string {
	switch {
	case list.Distro == "alpine" && list.Of(deploy.PackageApk) > 0:
		return nil
	case list.Of(deploy.PackageDeb) > 0 && list.Distro == "debian" && debianRelease(list) == "":
		return []string{"what is out of date in it: it does not say which release of Debian it is"}
	case list.HasSystem() && debianRelease(list) == "":
		return []string{fmt.Sprintf("what is out of date in %s: only Debian's and Alpine's archives are asked", cmp.Or(deploy.Clean(list.System, 60), "its system"))}
	case list.System != "" && !list.HasSystem():
		return []string{deploy.Clean(list.System, 60) + " has no package database that Teal can read"}
	}
	return nil
}

var codename = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// debianRelease is the release of Debian whose packages an image has, "bookworm";
// "": it has none, or says something that is no release: it may be hostile, and the
// word comes into paths and lines of sources.list.
func debianRelease(list deploy.Inventory) string {
	if list.Of(deploy.PackageDeb) == 0 || list.Distro != "debian" || !codename.MatchString(list.Codename) {
		return ""
	}
	return list.Codename
}

func (s *Stack) lists() packages.Reader {
	return packages.Reader{Engine: s.engine, Namespace: s.namespace}
}

// pushed says what an image holds that comes with the app's own lock files, and
// which Go its program was made with.
func pushed(list deploy.Inventory) (all []string) {
	if len(list.Packages) == 0 && list.System == "" {
		return []string{"what is in it beyond its base images, since it has no list of packages"}
	}
	modules := list.Of(deploy.PackageGo)
	for _, p := range list.Packages {
		if p.Kind == deploy.PackageGo && p.Name == "stdlib" {
			modules--
			all = append(all, "Go "+p.Version+", which the program was built with, if not by teal/go")
		}
	}
	for _, k := range []struct {
		n    int
		what string
	}{
		{modules, "Go modules"},
		{list.Of(deploy.PackageNPM), "npm packages"},
		{list.Of(deploy.PackagePyPI), "Python packages"},
		{list.Of(deploy.PackageGem), "gems"},
		{list.Of(deploy.PackageComposer), "Composer packages"},
		{list.Of(deploy.PackageMaven), "libraries of Java"},
		{list.Of(deploy.PackageCargo), "crates"},
	} {
		if k.n > 0 {
			all = append(all, fmt.Sprintf("%d %s, as the app's own files have them", k.n, k.what))
		}
	}
	return all
}
