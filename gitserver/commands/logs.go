package commands

import (
	"context"
	"fmt"

	"teal/deploy"
)

const maxLines = 10000

var logsRow = command{
	name: "logs", usage: "APP", scope: oneApp, verb: deploy.VerbView, limit: tailTime,
	short: "what a deployment or the app itself says; -f follows",
	long: "While a deployment is under way: its log. Otherwise: what the app writes. With -f\n" +
		"you watch a deployment to its end, and the exit code is its outcome: 0 live, 1 not.\n" +
		"You may leave at any time (ctrl-C); the deployment goes on without you.",
	options: []option{
		{name: "follow", short: "f", help: "go on with what is written from now on"},
		{name: "lines", short: "n", value: "N", help: "only the last N lines (of the app: 100)"},
		{name: "deployment", value: "ID", help: "the log of that deployment"},
		{name: "release-command", help: "of a deployment (the newest): what its release command wrote, alone"},
		{name: "app", help: "what the app writes, even while a deployment is under way"},
	},
	examples: []string{"logs shop", "logs shop -f", "logs shop -n 500", "logs shop --deployment 17"},
	run:      runLogs,
}

func runLogs(ctx context.Context, j *job) error {
	n, err := j.flags.number("lines", 0, 1, maxLines)
	if err != nil {
		return j.usage("%s", err)
	}
	if j.flags.has("deployment") {
		d, err := j.deploymentOf(ctx, j.flags["deployment"])
		if err != nil {
			return err
		}
		if j.flags.on("release-command") {
			return j.releaseLog(ctx, d)
		}
		return j.deploymentLog(ctx, d, n)
	}
	last, err := j.newest(ctx, j.app.Name)
	if err != nil {
		return err
	}
	if last != nil && j.flags.on("release-command") {
		return j.releaseLog(ctx, *last)
	}
	if last != nil && last.State.Running() && !j.flags.on("app") {
		return j.deploymentLog(ctx, *last, n)
	}
	return j.appLog(ctx, n)
}

// deploymentOf gives the app's deployment with the number that was typed. That
// of another app is not found, whoever asks.
func (j *job) deploymentOf(ctx context.Context, typed string) (deploy.Deployment, error) {
	id, err := parseNumber(typed, "")
	if err != nil {
		return deploy.Deployment{}, j.usage("a deployment has a number, such as 17, not %q", deploy.Clean(typed, 40))
	}
	d, err := j.Store.Deployment(ctx, deploy.DeploymentID(id))
	if err == nil && d.App != j.app.Name {
		err = deploy.ErrNotFound
	}
	if err != nil {
		return d, because(err, deploy.ErrNotFound, ExitNotFound,
			fmt.Sprintf("%s has no deployment %d", j.app.Name, id), j.Hint.Command("deployments", string(j.app.Name)))
	}
	return d, nil
}

func (j *job) deploymentLog(ctx context.Context, d deploy.Deployment, n int) error {
	from := 0
	if n > 0 {
		var err error
		if from, err = j.lastLine(ctx, d.ID, n); err != nil {
			return err
		}
	}
	if j.flags.on("follow") {
		return j.see(ctx, d, from)
	}
	v := &viewer{job: j, id: d.ID, last: from}
	if err := v.catchUp(ctx, 0); err != nil {
		return err
	}
	if v.last == 0 {
		j.remark("Deployment %d has no log (any more).", d.ID)
	}
	if d.State.Running() {
		j.remark("Deployment %d is %s. To the end: %s", d.ID, d.State, j.Hint.Command("logs", "-f", string(d.App)))
	}
	return nil
}

func (j *job) appLog(ctx context.Context, n int) error {
	name := string(j.app.Name)
	if j.Logs == nil {
		return trouble(ExitTeal, "this Teal cannot read what apps write", j.Hint.Command("deployments", name))
	}
	if j.app.Live == 0 {
		return trouble(ExitFailed, fmt.Sprintf("nothing of %s is live yet", name),
			"push to deploy it: git push teal main; or look at a failed try: "+j.Hint.Command("deployments", name))
	}
	if n == 0 {
		n = 100
	}
	w := &cleaner{w: j.Stdout}
	err := j.Logs(ctx, j.app.Name, j.flags.on("follow"), n, w)
	if len(w.rest) > 0 {
		_ = w.Close()
	}
	// Who follows an app leaves at some time: that is no failure.
	if j.flags.on("follow") && (isOver(err) || err == nil) {
		return nil
	}
	return because(err, deploy.ErrNothing, ExitFailed,
		fmt.Sprintf("no instance of %s runs now", name), j.Hint.Command("ps", name))
}
