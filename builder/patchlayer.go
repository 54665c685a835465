package builder

import (
	"context"
	"fmt"
	"io"
	"strings"

	"teal/deploy"
)

// layered lays the updates that the rebuilt image still lacks over it. It always
// goes on from what the Dockerfile made, never from an earlier layer: the
// rebuild before it sees to that.
func (b *Builder) layered(ctx context.Context, req deploy.PatchRequest, patched deploy.Patched, log io.Writer) (deploy.Patched, error) {
	list, err := b.Packages(ctx, patched.Image)
	if err != nil {
		return deploy.Patched{}, err
	}
	release := debianRelease(list)
	if release == "" {
		return patched, nil
	}
	wanted, err := b.lacking(ctx, patched, release)
	if err != nil || len(wanted) == 0 {
		return patched, err
	}
	pristine, err := b.config.Engine.ImageInspect(ctx, patched.Image)
	if err != nil {
		return deploy.Patched{}, fmt.Errorf("look at image %s: %w", patched.Image, engineError(ctx, b.config.Engine, err))
	}
	ref := b.nameOf(pristine)
	sources, err := b.stack.sources(ctx, release)
	if err != nil {
		return deploy.Patched{}, err
	}
	from := originOf(pristine)
	j := &job{Builder: b, req: req.BuildRequest, log: log, progress: newProgress(log, b.config.MaxLogBytes), bases: from.bases}
	j.manifest.Settings = patched.Settings
	ctx, cancel := j.bounded(ctx)
	defer cancel()
	j.progress.say("laying %d updates over the image", len(wanted))
	user := ""
	if pristine.Config != nil {
		user = pristine.Config.User
	}
	made, err := j.solveWritten(ctx,
		namedFile{"Dockerfile", []byte(layerDockerfile(ref, user, wanted))}, namedFile{"sources.list", []byte(sources)})
	if err != nil {
		return deploy.Patched{}, err
	}
	if made != patched.Image && patched.Image != req.Live.Image {
		if err := b.RemoveImage(ctx, req.App, patched.Image); err != nil {
			j.config.Log.Warn("cannot remove the image below a layer of updates", "app", req.App, "error", err)
		}
	}
	patched.Image = made
	patched.Remedy = "updates laid over the image"
	return patched, nil
}

// lacking lists as "name=version" the updates that the rebuilt image does not
// have. What runs now is no measure: it may have had a layer.
func (b *Builder) lacking(ctx context.Context, rebuilt deploy.Patched, codename string) ([]string, error) {
	status, err := b.lists().Status(ctx, rebuilt.Image)
	if err != nil {
		return nil, fmt.Errorf("read the packages of %s: %w", rebuilt.Image, engineError(ctx, b.config.Engine, err))
	}
	found, err := b.stack.scan(ctx, []scanned{{status: status, codename: codename}})
	if err != nil {
		return nil, err
	}
	var wanted []string
	for _, c := range found[0].changes {
		if rebuilt.Settings.Patch.Scope != deploy.ScopeSecurity || c.Security {
			wanted = append(wanted, c.Name+"="+c.New)
		}
	}
	return wanted, nil
}

// layerDockerfile installs exactly those versions, as root, and gives the image
// back to its user. apt's lists are a cache that is emptied of nothing else; the
// argument has them fetched anew when other updates are wanted.
func layerDockerfile(ref, user string, wanted []string) string {
	if user == "" {
		user = "root"
	}
	const mounts = "RUN --mount=type=bind,source=sources.list,target=/run/teal.list \\\n" +
		"    --mount=type=cache,id=apt-lists,sharing=locked,target=/var/lib/apt/lists \\\n" +
		"    --mount=type=cache,id=apt-archives,sharing=locked,target=/var/cache/apt \\\n    "
	options := []string{"-o", "Dir::Etc::SourceList=/run/teal.list", "-o", "Dir::Etc::SourceParts=-", "-o", "Acquire::Languages=none"}
	update := append([]string{"apt-get"}, append(options, "-qq", "update")...)
	install := append([]string{"apt-get"}, append(options, "-o", "Dpkg::Options::=--force-confold", "-y", "-qq", "--no-install-recommends", "--only-upgrade", "install")...)
	lines := []string{
		"FROM " + ref,
		"USER root",
		"ARG DEBIAN_FRONTEND=noninteractive",
		"ARG TEAL_UPDATES=" + hashOf(wanted...),
		mounts + execForm(update...),
		mounts + execForm(append(install, wanted...)...),
		"USER " + user,
	}
	return strings.Join(lines, "\n") + "\n"
}
