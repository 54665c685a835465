package commands

import (
	"context"
	"errors"
	"fmt"
	"io"

	"teal/deploy"
)

var buildPlanRow = command{
	name: "build-plan", usage: "APP", scope: oneApp, verb: deploy.VerbView, limit: undoTime,
	short: "the Dockerfile that Teal goes by, with what was found and why",
	long: "Of the commit that is live, or was pushed last when none is. Nothing is built. What\n" +
		"was found stands in comments, so that the answer is a Dockerfile: to take it over,\n" +
		"commit it; a Dockerfile in the repository wins.",
	options: []option{
		{name: "pushed", help: "of the commit that was pushed last, live or not"},
	},
	examples: []string{"build-plan shop", "build-plan shop > Dockerfile"},
	run:      runBuildPlan,
}

func runBuildPlan(ctx context.Context, j *job) error {
	app := string(j.app.Name)
	if j.BuildPlan == nil {
		return trouble(ExitTeal, "this Teal cannot tell", j.Hint.Command("deployments", app))
	}
	commit, which, err := j.commitToPlan(ctx)
	if err != nil {
		return err
	}
	text, err := j.BuildPlan(ctx, j.app.Name, commit.ID)
	var f *deploy.Failure
	switch {
	case errors.As(err, &f):
		return trouble(ExitFailed, fmt.Sprintf("%s can't be built: %s", commit.Short(), f.Reason), f.Hint).because(err)
	case errors.Is(err, deploy.ErrNotFound):
		return trouble(ExitNotFound, fmt.Sprintf("the repository of %s does not have %s any more", app, commit.Short()), "push it again").because(err)
	case err != nil:
		return err
	}
	j.remark("%s %s %q", which, commit.Short(), deploy.Clean(commit.Subject, 100))
	if _, err := io.WriteString(j.Stdout, text); err != nil {
		return errGone
	}
	return nil
}

// commitToPlan is the live commit, or the one that was pushed last.
func (j *job) commitToPlan(ctx context.Context) (commit deploy.Commit, which string, err error) {
	if j.app.Live != 0 && !j.flags.on("pushed") {
		r, err := j.Store.Release(ctx, j.app.Name, j.app.Live)
		return r.Commit, r.Name() + ", live:", err
	}
	last, err := j.newest(ctx, j.app.Name)
	if err != nil {
		return commit, "", err
	}
	if last == nil {
		return commit, "", trouble(ExitFailed, fmt.Sprintf("nothing was pushed to %s yet", j.app.Name), "git push teal main")
	}
	return last.Push.Commit, "Deployed last:", nil
}
