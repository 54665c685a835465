package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"

	"teal/deploy"
)

// prepareBases has the stack images ready that the Dockerfile uses, and, when
// the request says so, looks for newer bases.
func (j *job) prepareBases(ctx context.Context) error {
	var ours, others []string
	for _, ref := range fromRefs(j.dockerfile, j.manifest.Args) {
		if strings.HasPrefix(ref, stackPrefix) {
			ours = append(ours, ref)
		} else {
			others = append(others, ref)
		}
	}
	for _, ref := range ours {
		if _, err := j.stack.wanted([]string{ref}); err != nil {
			return failure(fmt.Sprintf("the Dockerfile is built on %s, which is no stack image of this server", deploy.Clean(ref, 80)),
				"there are "+strings.Join(StackNames(), ", "), nil, err)
		}
	}
	if len(ours) > 0 {
		if err := j.stack.Ensure(ctx, j.log, ours...); err != nil {
			return err
		}
	}
	if len(ours) > 0 && j.req.Refresh {
		if err := j.refreshStack(ctx, ours); err != nil {
			return err
		}
	}
	for _, ref := range others {
		if err := j.fetch(ctx, ref); err != nil {
			return err
		}
	}
	return j.noteBases(ctx, append(ours, others...))
}

// refreshStack looks for newer parts of the stack images. Where that does not
// work those that are here do.
func (j *job) refreshStack(ctx context.Context, names []string) error {
	_, err := j.stack.refresh(ctx, j.log, false, names...)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, deploy.ErrEngineAway):
		return err
	}
	j.progress.say("%s; going on with the one that is here", deploy.Clean(err.Error(), 300))
	j.config.Log.Warn("stack images were not refreshed", "app", j.req.App, "error", err)
	return nil
}

// fetch has a base image from outside ready: pulled when it is not here, or when
// the request asks for newer ones. Left to BuildKit, one that is not here would be
// looked up anew in every build, and a push would change more than the commit
// says. Where pulling does not work the copy that is here does, and the log says
// so; with none, the build will tell.
func (j *job) fetch(ctx context.Context, ref string) error {
	_, err := j.config.Engine.ImageInspect(ctx, ref)
	here := err == nil
	if here && (!j.req.Refresh || pinnedTo(ref) != "") {
		return nil
	}
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsInvalidArgument(err) {
		return engineError(ctx, j.config.Engine, err)
	}
	if _, err = j.stack.remoteDigest(ctx, ref); err == nil {
		err = j.stack.pull(ctx, ref)
	}
	switch {
	case err == nil:
		j.progress.say("base image %s: pulled", ref)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, deploy.ErrEngineAway):
		return err
	case here:
		j.progress.say("base image %s: cannot look for a newer one, going on with the one that is here: %s", ref, unwrapped(err.Error()))
	}
	return nil
}
