package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"teal/deploy"
)

// layered lays the updates that the rebuilt image still lacks over it, when the app
// has chosen that. It always goes on from what the Dockerfile made, never from an
// earlier layer: the rebuild before it sees to that.
func (b *Builder) layered(ctx context.Context, req deploy.PatchRequest, patched deploy.Patched, log io.Writer) (deploy.Patched, error) {
	release, why, err := b.layerable(ctx, patched.Image)
	if err != nil {
		return deploy.Patched{}, err
	}
	patched.Unlayered = why
	if why != "" || !patched.Settings.Patch.Layer {
		return patched, nil
	}
	wanted, unknown, err := b.lacking(ctx, patched, release)
	if err != nil {
		return deploy.Patched{}, err
	}
	if len(wanted) == 0 && unknown != "" {
		return b.keepLayer(ctx, req, patched, unknown, log)
	}
	if len(wanted) == 0 {
		return patched, nil
	}
	if patched.Image, err = b.lay(ctx, req.BuildRequest, patched.Built, release, wanted, wanted, log); err != nil {
		return deploy.Patched{}, err
	}
	patched.Remedy = "updates laid over the image"
	return patched, nil
}

// keepLayer has what serves stay when it cannot be told which updates the rebuilt
// image lacks, and it lacks some that were laid over what serves: a patch run
// brings no old packages back.
func (b *Builder) keepLayer(ctx context.Context, req deploy.PatchRequest, patched deploy.Patched, unknown string, log io.Writer) (deploy.Patched, error) {
	had, err := b.latestLayer(ctx, req.App)
	if err != nil {
		return deploy.Patched{}, err
	}
	lost, err := b.without(ctx, patched.Image, had)
	if err != nil {
		return deploy.Patched{}, err
	}
	if len(lost) > 0 {
		newProgress(log, b.config.MaxLogBytes).say("cannot tell %s: what serves stays, with the updates that were laid over it", unknown)
		patched.Image, patched.Remedy = req.Live.Image, "kept as it is"
	}
	return patched, nil
}

// layerable tells of which release of Debian an image is, or why no updates can be
// laid over it.
func (b *Builder) layerable(ctx context.Context, image string) (release, why string, err error) {
	list, err := b.Packages(ctx, image)
	if err != nil {
		return "", "", err
	}
	if release = debianRelease(list); release == "" {
		return "", "only Debian's are", nil
	}
	switch _, err := b.lists().File(ctx, image, "/usr/bin/apt-get"); {
	case errors.Is(err, fs.ErrNotExist):
		return "", "there is no apt-get in it", nil
	case ends(ctx, err) != nil:
		return "", "", ends(ctx, err)
	}
	return release, "", nil // a program that is too large to be read is one
}

// lay makes the image with the updates over it: install is what apt is told,
// "name" or "name=version"; what they are, "name=version", is noted. What is below
// stays, it may be an older release's; without one it goes with the next build.
func (b *Builder) lay(ctx context.Context, req deploy.BuildRequest, built deploy.Built, release string, updates, install []string, log io.Writer) (string, error) {
	pristine, err := b.config.Engine.ImageInspect(ctx, built.Image)
	if err != nil {
		return "", fmt.Errorf("look at image %s: %w", built.Image, engineError(ctx, b.config.Engine, err))
	}
	sources, err := b.stack.sources(ctx, release)
	if err != nil {
		return "", err
	}
	from := originOf(pristine)
	j := &job{Builder: b, req: req, log: log, progress: newProgress(log, b.config.MaxLogBytes), bases: from.bases, layer: updates}
	if from.kind != kindDockerfile {
		j.plan = &plan{kind: from.kind, on: "scratch"} // it was detected, and is built anew the next time, too
	}
	j.manifest.Settings = built.Settings
	ctx, cancel := j.bounded(ctx)
	defer cancel()
	j.progress.say("laying %d updates over the image", len(updates))
	user := ""
	if pristine.Config != nil {
		user = pristine.Config.User
	}
	return j.solveWritten(ctx,
		namedFile{"Dockerfile", []byte(layerDockerfile(b.nameOf(pristine), user, updates, install))}, namedFile{"sources.list", []byte(sources)})
}

// layeredAgain lays over what a push made those updates that the app's layer has
// and it has not: a push brings no old packages back. Where that fails, the log says
// so and the push goes on; the next patch run makes up for it.
func (b *Builder) layeredAgain(ctx context.Context, req deploy.BuildRequest, built deploy.Built, log io.Writer) (deploy.Built, error) {
	image, err := b.layAgain(ctx, req, built, log)
	switch end := ends(ctx, err); {
	case end != nil:
		return deploy.Built{}, end
	case err != nil:
		newProgress(log, b.config.MaxLogBytes).say("the updates that were laid over what serves are not in this release (%s); the next patch run lays them over it", unwrapped(err.Error()))
	case image != "":
		built.Image = image
	}
	return built, nil
}

// layAgain is "" when there is nothing to do.
func (b *Builder) layAgain(ctx context.Context, req deploy.BuildRequest, built deploy.Built, log io.Writer) (image string, err error) {
	had, err := b.latestLayer(ctx, req.App)
	if err != nil || len(had) == 0 {
		return "", err
	}
	release, why, err := b.layerable(ctx, built.Image)
	if err != nil || why != "" {
		return "", err
	}
	updates, err := b.without(ctx, built.Image, had)
	if err != nil || len(updates) == 0 {
		return "", err
	}
	names := make([]string, len(updates)) // the newest ones: an archive has no others
	for i, u := range updates {
		names[i], _, _ = strings.Cut(u, "=")
	}
	if image, err = b.lay(ctx, req, built, release, updates, names, log); err != nil {
		return "", err
	}
	if left, err := b.without(ctx, image, updates); err != nil || len(left) > 0 {
		return "", errors.Join(err, fmt.Errorf("the archives did not bring %s", strings.Join(left, ", ")))
	}
	return image, nil
}

// without gives those of the updates, "name=version", whose package is in the
// image, and older.
func (b *Builder) without(ctx context.Context, image string, updates []string) (left []string, err error) {
	list, err := b.Packages(ctx, image)
	if err != nil {
		return nil, err
	}
	has := map[string]string{}
	for _, p := range list.Packages {
		if p.Kind == deploy.PackageDeb {
			has[p.Name] = p.Version
		}
	}
	for _, u := range updates {
		name, version, _ := strings.Cut(u, "=")
		if is := has[name]; is != "" && compareVersions(is, version) < 0 {
			left = append(left, u)
		}
	}
	return left, nil
}

// latestLayer lists as "name=version" the updates of the app's newest image that
// has a layer of them.
func (b *Builder) latestLayer(ctx context.Context, app deploy.AppName) ([]string, error) {
	images, err := b.config.Engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", labelNamespace+"="+b.config.Namespace), filters.Arg("label", labelApp+"="+string(app)), filters.Arg("label", labelBuildLayer))})
	if err != nil || len(images) == 0 {
		return nil, engineError(ctx, b.config.Engine, err)
	}
	newest := slices.MaxFunc(images, func(a, b image.Summary) int { return cmp.Compare(a.Created, b.Created) })
	return slices.DeleteFunc(strings.Fields(newest.Labels[labelBuildLayer]), func(u string) bool { return !update.MatchString(u) }), nil
}

// update is a package of Debian's and its version, as apt takes them.
var update = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*=[A-Za-z0-9.+:~-]+$`)

// lacking lists as "name=version" the updates that the rebuilt image does not
// have, or says why that can't be told, or not wholly. What runs now is no measure:
// it may have had a layer.
func (b *Builder) lacking(ctx context.Context, rebuilt deploy.Patched, codename string) (wanted []string, unknown string, err error) {
	status, err := b.lists().Status(ctx, rebuilt.Image)
	if err != nil {
		return nil, "", fmt.Errorf("read the packages of %s: %w", rebuilt.Image, engineError(ctx, b.config.Engine, err))
	}
	found, err := b.stack.scan(ctx, []scanned{{status: status, codename: codename}})
	if err != nil {
		return nil, "", err
	}
	for _, c := range found[0].changes {
		if rebuilt.Settings.Patch.Scope != deploy.ScopeSecurity || c.Security {
			wanted = append(wanted, c.Name+"="+c.New)
		}
	}
	return wanted, found[0].unknown, nil
}

// layerDockerfile installs those packages, as root, and gives the image
// back to its user. apt's lists are a cache that is emptied of nothing else; the
// argument has them fetched anew when other updates are wanted.
func layerDockerfile(ref, user string, updates, packages []string) string {
	if user == "" {
		user = "root"
	}
	const mounts = "RUN --mount=type=bind,source=sources.list,target=/run/teal.list \\\n" +
		"    --mount=type=cache,id=apt-lists,sharing=locked,target=/var/lib/apt/lists \\\n" +
		"    --mount=type=cache,id=apt-archives,sharing=locked,target=/var/cache/apt \\\n    "
	options := []string{"-o", "Dir::Etc::SourceList=/run/teal.list", "-o", "Dir::Etc::SourceParts=-", "-o", "Acquire::Languages=none"}
	update := append([]string{"apt-get"}, append(options, "-o", "APT::Update::Error-Mode=any", "-qq", "update")...)
	install := append([]string{"apt-get"}, append(options, "-o", "Dpkg::Options::=--force-confold", "-y", "-qq", "--no-install-recommends", "--only-upgrade", "install")...)
	lines := []string{
		"FROM " + ref,
		"USER root",
		"ARG DEBIAN_FRONTEND=noninteractive",
		"ARG TEAL_UPDATES=" + hashOf(updates...),
		mounts + execForm(update...),
		mounts + execForm(append(install, packages...)...),
		"USER " + user,
	}
	return strings.Join(lines, "\n") + "\n"
}
