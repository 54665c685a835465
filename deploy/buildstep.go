package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// build turns the commit into an image.
func (w *worker) build(j *job) (Built, error) {
	d := j.snapshot()
	release, err := w.buildSlot(j)
	if err != nil {
		return Built{}, err
	}
	defer release()
	commit := d.Push.Commit
	if err := w.move(j, Building, fmt.Sprintf("building %s", commit.Short())); err != nil {
		return Built{}, err
	}
	j.journal.say("==> Building %s %q", commit.Short(), commit.Subject)

	began := w.e.Now()
	ctx, cancel := context.WithTimeoutCause(j.ctx, buildTimeout, errors.New("build timeout"))
	defer cancel()
	req, err := w.buildRequest(ctx, j, commit)
	if err != nil {
		return Built{}, err
	}
	defer req.Source.Close()
	req.NoCache = d.Push.NoCache
	built, err := w.e.Builder.Build(ctx, req, j.journal)
	j.build = w.e.Now().Sub(began)
	if err != nil {
		return Built{}, w.buildError(ctx, j, err)
	}
	j.journal.say("==> Built %s in %s", shortImage(built.Image), seconds(j.build))
	return built, nil
	// If we die here: a deployment that recovery ends as failed, and an image
	// without a release, which the same commit finds again when it is built again.
}

// buildRequest opens what a build of the commit needs; the caller closes its Source.
func (w *worker) buildRequest(ctx context.Context, j *job, commit Commit) (BuildRequest, error) {
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return BuildRequest{}, err
	}
	j.journal.hide(app.BuildSecrets)
	src, err := w.e.Repositories.Source(ctx, w.app, commit.ID)
	if err != nil {
		return BuildRequest{}, fmt.Errorf("cannot read commit %s: %w", commit.Short(), err)
	}
	return BuildRequest{
		App: w.app, Source: src, Commit: commit, Defaults: *w.e.Defaults, Secrets: app.BuildSecrets,
		Env: slices.Sorted(maps.Keys(app.Env)),
	}, nil
}

// buildError is what a build that ended with err failed of; ctx was its own.
func (w *worker) buildError(ctx context.Context, j *job, err error) error {
	var f *Failure
	switch {
	case ctx.Err() != nil && j.ctx.Err() == nil:
		return &Failure{
			Step: StepBuild, Reason: fmt.Sprintf("not done after %s", buildTimeout),
			Hint: "make the build shorter", Log: j.journal.tail(tailLines), Err: err,
		}
	case errors.As(err, &f) && len(f.Log) == 0:
		f.Log = j.journal.tail(tailLines)
	}
	return err
}

// buildSlot waits until another build may run, and has room made for it.
func (w *worker) buildSlot(j *job) (release func(), err error) {
	leave, err := w.e.builds.enter(j.ctx, w.app, j.snapshot().Cause == CausePatch, func(running, before []AppName) {
		text := fmt.Sprintf("==> Waiting: %s is being built", names(running))
		if len(before) > 0 {
			text += fmt.Sprintf(", %s before this one", names(before))
		}
		j.journal.say("%s", text)
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	if err := w.makeRoom(ctx, j); err != nil {
		leave()
		return nil, err
	}
	w.makesImage(ctx)
	return leave, nil
}

// names lists apps for people.
func names(apps []AppName) string {
	words := make([]string, len(apps))
	for i, app := range apps {
		words[i] = string(app)
	}
	return strings.Join(words, ", ")
}
