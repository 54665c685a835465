package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal/deploy"
)

var rollbackRow = command{
	name: "rollback", aliases: []string{"restart-previous"}, usage: "APP [vN]",
	scope: oneApp, verb: deploy.VerbDeploy, most: 1, limit: followTime,
	short: "restart the previous release (also: restart-previous), or an older one",
	long: "Without a build: in milliseconds while the previous release still runs, else in\n" +
		"the seconds that its containers take to start. It is probed before it gets a\n" +
		"request. Security patches of the app pause until the next push.",
	options: []option{
		{name: "across-migration", help: "also when [migrate] mark says that the database has moved on"},
		optDetach,
	},
	examples: []string{"rollback shop", "rollback shop v12"},
	run:      runRollback,
}

func runRollback(ctx context.Context, j *job) error {
	number := 0
	if len(j.words) > 0 {
		var err error
		if number, err = parseNumber(j.words[0], "v"); err != nil {
			return j.usage("a release is written v12, not %q", deploy.Clean(j.words[0], 40))
		}
	}
	app := string(j.app.Name)
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	rollback := j.Engine.Rollback
	if j.flags.on("across-migration") {
		rollback = j.Engine.RollbackAcross
	}
	d, err := rollback(soon, j.app.Name, number, j.user.Name)
	if err != nil {
		if errors.Is(err, deploy.ErrAcross) {
			return trouble(ExitFailed, err.Error(), j.Hint.Command(strings.TrimSpace(fmt.Sprintf("rollback %s %s", app, releaseName(number))), "--across-migration"))
		}
		if number != 0 {
			err = because(err, deploy.ErrNotFound, ExitNotFound,
				fmt.Sprintf("%s has no release %s", app, deploy.ReleaseName(number)), j.Hint.Command("releases", app))
		}
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), j.Hint.Command("releases", app))
	}
	return j.see(ctx, d, 0)
}

var redeployRow = command{
	name: "redeploy", usage: "APP", scope: oneApp, verb: deploy.VerbDeploy, limit: followTime,
	short:    "build the live commit again and deploy it",
	options:  []option{{name: "no-cache", help: "build from scratch"}, optDetach},
	examples: []string{"redeploy shop", "redeploy shop --no-cache"},
	run:      runRedeploy,
}

func runRedeploy(ctx context.Context, j *job) error {
	o := deploy.Options{NoCache: j.flags.on("no-cache"), Detach: j.flags.on("detach")}
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	d, err := j.Engine.Redeploy(soon, j.app.Name, o, j.user.Name)
	if err != nil {
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), "git push teal main")
	}
	return j.see(ctx, d, 0)
}

var promoteRow = command{
	name: "promote", usage: "APP", scope: oneApp, verb: deploy.VerbDeploy, limit: followTime,
	short: "make live what waits on the preview, or gets a share of the requests",
	long: "For a release that was pushed with -o no-promote. It is probed once more, then\n" +
		"production is switched to it. A gradual promotion skips the steps that are left.",
	options:  []option{optDetach},
	examples: []string{"promote shop"},
	run:      runPromote,
}

func runPromote(ctx context.Context, j *job) error {
	last, err := j.stagedLog(ctx)
	if err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	d, err := j.Engine.Promote(soon, j.app.Name, j.user.Name)
	if err != nil {
		return because(err, deploy.ErrNothing, ExitFailed,
			fmt.Sprintf("nothing of %s waits on the preview or is promoted gradually", j.app.Name), "git push -o no-promote teal main")
	}
	return j.see(ctx, d, last)
}

// stagedLog gives the number of the last line that the staged deployment wrote
// so far: its log goes on, and its pusher has read the first part.
func (j *job) stagedLog(ctx context.Context) (int, error) {
	recent, err := j.Store.Deployments(ctx, j.app.Name, 0, 50)
	if err != nil {
		return 0, err
	}
	for _, d := range recent {
		if d.State == deploy.Staged || d.State == deploy.Shifting {
			return j.lastLine(ctx, d.ID, 0)
		}
	}
	return 0, nil
}

var cancelRow = command{
	name: "cancel", usage: "APP", scope: oneApp, verb: deploy.VerbDeploy, limit: undoTime,
	short:    "stop what is under way or staged; what serves goes on",
	examples: []string{"cancel shop"},
	run:      runCancel,
}

func runCancel(ctx context.Context, j *job) error {
	d, err := j.Engine.Cancel(ctx, j.app.Name, 0, j.user.Name)
	if err != nil {
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), j.Hint.Command("ps", string(j.app.Name)))
	}
	if d.State.Committed() {
		return trouble(ExitFailed, fmt.Sprintf("too late: %s of %s is live already", deploy.ReleaseName(d.Release), d.App),
			j.Hint.Command("restart-previous", string(d.App)))
	}
	j.say("Deployment %d of %s is %s; %s.", d.ID, d.App, d.State, j.still(ctx, d.App))
	return nil
}
