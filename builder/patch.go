package builder

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"teal/deploy"
)

var _ deploy.Patcher = (*Builder)(nil)

// Patch implements deploy.Patcher. What Teal detected is laid, bit by bit the
// same, over the newer image that it runs on; what that can't serve, and what has
// a Dockerfile, is built anew from its commit on refreshed bases. Updates that a
// Dockerfile's base does not have yet may be laid over the result.
func (b *Builder) Patch(ctx context.Context, req deploy.PatchRequest, log io.Writer) (deploy.Patched, error) {
	live, err := b.config.Engine.ImageInspect(ctx, req.Live.Image)
	if err != nil && !errdefs.IsNotFound(err) {
		return deploy.Patched{}, fmt.Errorf("look at image %s: %w", req.Live.Image, engineError(ctx, b.config.Engine, err))
	}
	from := originOf(live)
	if live.ID != "" && from.on != "" {
		patched, ok, err := b.rebase(ctx, req, live, from, log)
		if ok || err != nil {
			return patched, err
		}
	}
	built, err := b.build(ctx, anew(req), log)
	if err != nil {
		return deploy.Patched{}, err
	}
	patched := deploy.Patched{Built: built, Remedy: "built anew on " + rebuiltOn(from)}
	if patched.Foreign, err = b.otherBases(ctx, from, built.Image); err != nil {
		return deploy.Patched{}, err
	}
	return b.layered(ctx, req, patched, log)
}

// otherBases tells whether the image was built on other base images than was
// noted of the one before. One that could not be looked at is the one that is here,
// and of one that was not noted nothing is known.
func (b *Builder) otherBases(ctx context.Context, before origin, image string) (bool, error) {
	found, err := b.config.Engine.ImageInspect(ctx, image)
	if err != nil {
		return false, fmt.Errorf("look at image %s: %w", image, engineError(ctx, b.config.Engine, err))
	}
	after := originOf(found)
	for _, ref := range after.names() {
		if was, noted := before.bases[ref]; noted && was.ID != after.bases[ref].ID {
			return true, nil
		}
	}
	return false, nil
}

// anew is the build of the live commit. With updates known, every step runs
// again: one that installs packages of the app's own would come out of the cache
// with those of the day it first ran, whenever the base below it is the same. So
// would packages of an archive that is not asked.
func anew(req deploy.PatchRequest) deploy.BuildRequest {
	build := req.BuildRequest
	build.NoCache = build.NoCache || len(req.Pending.Changes)+len(req.Pending.Elsewhere) > 0
	return build
}

func rebuiltOn(o origin) string {
	if names := o.names(); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "refreshed base images"
}

// remedy says what Patch would do.
func (o origin) remedy() string {
	if o.on != "" {
		return "lay the same app over the newer " + o.on
	}
	return "build the live commit anew on " + rebuiltOn(o)
}

// rebase lays what is the app's own over the newer stack image. It is not ok
// when that does not work or would lose packages: then the app is built anew.
func (b *Builder) rebase(ctx context.Context, req deploy.PatchRequest, live image.InspectResponse, from origin, log io.Writer) (_ deploy.Patched, ok bool, err error) {
	j := &job{Builder: b, req: req.BuildRequest, log: log, progress: newProgress(log, b.config.MaxLogBytes)}
	j.manifest.Settings = req.Live.Settings
	ctx, cancel := j.bounded(ctx)
	defer cancel()
	if err := j.stack.Ensure(ctx, log, from.on); err != nil {
		return deploy.Patched{}, false, err
	}
	if err := j.refreshStack(ctx, []string{from.on}); err != nil {
		return deploy.Patched{}, false, err
	}
	if err := j.noteBases(ctx, []string{from.on}); err != nil {
		return deploy.Patched{}, false, err
	}
	text, ok, err := b.rebased(ctx, live, from)
	if err != nil || !ok {
		return deploy.Patched{}, false, err
	}
	j.plan = &plan{kind: from.kind, on: from.on, paths: from.paths}
	made, err := j.solveWritten(ctx, namedFile{"Dockerfile", []byte(text)})
	if err != nil {
		return deploy.Patched{}, false, err
	}
	list, err := b.Packages(ctx, made)
	if err != nil {
		return deploy.Patched{}, false, err
	}
	if lost := lostPackages(req.Before, list); lost != "" {
		j.progress.say("the newer %s does not have %s: building the app anew", from.on, lost)
		return deploy.Patched{}, false, b.RemoveImage(ctx, req.App, made)
	}
	return deploy.Patched{
		Built:  deploy.Built{Image: made, Settings: req.Live.Settings, What: "laid over " + from.on},
		Remedy: "the same app laid over the newer " + from.on,

		Unlayered: from.on + " gets them when it is refreshed",
	}, true, nil
}

// rebased writes the Dockerfile. What the old base set in the environment stays
// behind: the version of a language, say. It is not ok where that can't be told from
// what the app set. The new base has the name that says
// what it holds: of builds at the same time that begin from the same name BuildKit
// resolves it once, so that one from before the refresh would hand on the old base.
func (b *Builder) rebased(ctx context.Context, live image.InspectResponse, from origin) (text string, ok bool, err error) {
	ref := b.nameOf(live)
	if ref == "" {
		return "", false, nil
	}
	given, ok := b.baseEnv(ctx, from)
	if !ok {
		return "", false, nil
	}
	lines := []string{"FROM " + ref + " AS old", "FROM " + b.stack.byContent(ctx, from.on)}
	for _, path := range from.paths {
		lines = append(lines, "COPY --from=old "+execForm(path, path))
	}
	config, ok := carried(live, given)
	return strings.Join(append(lines, config...), "\n") + "\n", ok, nil
}

// baseEnv is what the base that the image was built on set in the environment: as
// it was noted then, or by the base itself while it is here, which is rarely so.
func (b *Builder) baseEnv(ctx context.Context, from origin) (env []string, ok bool) {
	if from.known {
		return from.env, true
	}
	old, err := b.config.Engine.ImageInspect(ctx, from.base)
	if err != nil || old.Config == nil {
		return nil, false
	}
	return old.Config.Env, true
}

// nameOf is a name that the image can be reached by in a Dockerfile; "": none.
func (b *Builder) nameOf(found image.InspectResponse) string {
	i := slices.IndexFunc(found.RepoTags, func(tag string) bool { return strings.HasPrefix(tag, "teal-"+b.config.Namespace+"/") })
	if i < 0 {
		return ""
	}
	return found.RepoTags[i]
}

// lostPackages names packages of the system that were there and are not any more.
func lostPackages(before, after deploy.Inventory) string {
	var lost []string
	for _, c := range deploy.Compare(before, after) {
		if c.New == "" && (c.Kind == deploy.PackageDeb || c.Kind == deploy.PackageApk) {
			lost = append(lost, c.Name)
		}
	}
	if len(lost) > 3 {
		lost = append(lost[:3], fmt.Sprintf("%d more", len(lost)-3))
	}
	return strings.Join(lost, ", ")
}

// solveWritten builds from files that Teal has written itself.
func (j *job) solveWritten(ctx context.Context, files ...namedFile) (string, error) {
	j.context = buildContext{always: "Dockerfile"}
	j.written = files
	letGo, err := j.makeWay(ctx)
	if err != nil {
		return "", err
	}
	defer letGo()
	defer j.watchHappenings(ctx)()
	return j.solve(ctx)
}
