package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// The labels of app images.
const (
	labelNamespace = "teal.namespace"
	labelApp       = "teal.app"
	labelCommit    = "teal.commit"

	// Of what Teal detected: the row of the table, and name and content address
	// of the image that it runs on (neither for scratch).
	labelBuildKind = "teal.build.kind"
	labelBuildOn   = "teal.build.on"
	labelBuildBase = "teal.build.base"
	// What that image sets in the environment; JSON. A newer one sets its own.
	labelBuildEnv = "teal.build.env"
	// The directories, parted by spaces, that hold all that the app adds to that
	// image. Laid over a newer one they make the same app; without the label it
	// has to be built again.
	labelBuildPaths = "teal.build.paths"
	// Of every image: those that its Dockerfile names, and which ones they were; JSON.
	labelBuildBases = "teal.build.bases"
	// Of one with a layer of updates: these, "name=version", parted by spaces.
	labelBuildLayer = "teal.build.layer"
)

func (j *job) labels() map[string]string {
	labels := map[string]string{
		labelNamespace: j.config.Namespace,
		labelApp:       string(j.req.App),
		labelCommit:    j.req.Commit.ID,

		labelBuildBases: j.basesLabel(), labelBuildKind: kindDockerfile, labelBuildOn: "", labelBuildBase: "", labelBuildEnv: "", labelBuildPaths: "",
	}
	if len(j.layer) > 0 {
		labels[labelBuildLayer] = strings.Join(j.layer, " ")
	}
	if j.plan == nil {
		return labels
	}
	labels[labelBuildKind] = j.plan.kind
	if j.plan.on == "scratch" {
		return labels
	}
	base := j.bases[j.plan.on]
	labels[labelBuildOn], labels[labelBuildBase] = j.plan.on, base.ID
	env, _ := json.Marshal(base.env) // strings alone can't fail
	labels[labelBuildEnv] = string(env)
	if len(j.plan.paths) > 0 {
		labels[labelBuildPaths] = strings.Join(j.plan.paths, " ")
	}
	return labels
}

// repository is what the names of an app's images begin with.
func (b *Builder) repository(app deploy.AppName) string {
	return "teal-" + b.config.Namespace + "/" + string(app)
}

func (j *job) tag(tag string) string { return j.repository(j.req.App) + ":" + tag }

// name gives a built image the name that keeps it, "<commit>-<address>", and
// takes the one away that it was built under. The same image may come out of
// several builds at once; each does the same, and no moment is without a name.
func (j *job) name(ctx context.Context, id, building string) error {
	short := j.req.Commit.Short()
	if short == "" {
		short = "none"
	}
	final := j.tag(short + "-" + strings.TrimPrefix(id, "sha256:")[:12])
	if err := j.config.Engine.ImageTag(ctx, id, final); err != nil {
		return fmt.Errorf("name the image %s: %w", final, engineError(ctx, j.config.Engine, err))
	}
	j.unname(ctx, building)
	return nil
}

// unname takes the name away that a build was made under, even when the build
// was canceled. An image that has no other name goes with it.
func (j *job) unname(ctx context.Context, building string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := j.config.Engine.ImageRemove(ctx, building, image.RemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !client.IsErrConnectionFailed(err) {
		j.config.Log.Warn("cannot take away a build's own name", "app", j.req.App, "image", building, "error", err)
	}
}

// RemoveImage implements deploy.Builder. An image that does not carry the labels
// of this installation and of the app is refused.
func (b *Builder) RemoveImage(ctx context.Context, app deploy.AppName, id string) error {
	found, err := b.config.Engine.ImageInspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("remove image %s of %s: %w", id, app, engineError(ctx, b.config.Engine, err))
	}
	var labels map[string]string
	if found.Config != nil {
		labels = found.Config.Labels
	}
	if labels[labelNamespace] != b.config.Namespace || labels[labelApp] != string(app) {
		return fmt.Errorf("image %s is not one of %s: it is left alone", id, app)
	}
	used, err := usedBy(ctx, b.config.Engine, found.ID)
	switch {
	case err != nil:
		return err
	case used:
		return fmt.Errorf("image %s of %s is left, a container was made from it: %w", id, app, deploy.ErrBusy)
	}
	if err := b.untag(ctx, app, found); err != nil {
		return fmt.Errorf("remove image %s of %s: %w", id, app, engineError(ctx, b.config.Engine, err))
	}
	return nil
}

// usedBy tells whether a container, running or not, was made from the image.
func usedBy(ctx context.Context, engine *client.Client, id string) (bool, error) {
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("ancestor", id))})
	if err != nil {
		return false, fmt.Errorf("list the containers of image %s: %w", id, engineError(ctx, engine, err))
	}
	return len(containers) > 0, nil
}

// untag takes the image's names in the app's repository away; with its last
// name it goes. A name that someone else gave it is left, and keeps it.
func (b *Builder) untag(ctx context.Context, app deploy.AppName, found image.InspectResponse) error {
	refs, others := []string{}, 0
	for _, tag := range found.RepoTags {
		if strings.HasPrefix(tag, b.repository(app)+":") {
			refs = append(refs, tag)
		} else {
			others++
		}
	}
	if len(refs) == 0 && others == 0 {
		refs = []string{found.ID}
	}
	for _, ref := range refs {
		_, err := b.config.Engine.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
		// A conflict: a container was made from it since. It stays.
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return err
		}
	}
	return nil
}
