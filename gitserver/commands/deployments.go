package commands

import (
	"context"
	"fmt"

	"teal/deploy"
)

var deploymentsRow = command{
	name: "deployments", usage: "APP", scope: oneApp, verb: deploy.VerbView, json: true,
	short: "every attempt to make a release live, and how it ended",
	options: []option{
		{name: "lines", short: "n", value: "N", help: "the last N of them (20)"},
		{name: "before", value: "ID", help: "only those before deployment ID"},
	},
	examples: []string{"deployments shop", "deployments shop -n 100 --json"},
	run:      runDeployments,
}

func runDeployments(ctx context.Context, j *job) error {
	n, err := j.flags.number("lines", 20, 1, 1000)
	if err != nil {
		return j.usage("%s", err)
	}
	before, err := j.flags.number("before", 0, 1, 1<<31-1)
	if err != nil {
		return j.usage("%s", err)
	}
	all, err := j.Store.Deployments(ctx, j.app.Name, deploy.DeploymentID(before), n)
	if err != nil {
		return err
	}
	if j.flags.on("json") {
		docs := []deploymentDocument{}
		for _, d := range all {
			docs = append(docs, j.deploymentDocument(d))
		}
		return j.document(map[string]any{"app": j.app.Name, "deployments": docs})
	}
	if len(all) == 0 {
		j.say("No deployments yet.")
		j.remark("next: git push teal main")
		return nil
	}
	t := j.rows("ID", "WHAT", "RELEASE", "COLOR", "STATE", "BY", "WHEN", "TOOK", "NOTE")
	for _, d := range all {
		t.add(fmt.Sprint(d.ID), attempt(d), releaseName(d.Release), string(d.Color), string(d.State),
			byWhom(d.By), j.ago(d.CreatedAt), took(d.Duration(j.Now())), deploy.Clean(remarkOn(d), 80))
	}
	t.end()
	return nil
}

// remarkOn is what a person should read beside a deployment.
func remarkOn(d deploy.Deployment) string {
	switch {
	case d.Failure != nil:
		return string(d.Failure.Step) + ": " + d.Failure.Reason
	case d.Note != "":
		return d.Note
	}
	return d.Push.Commit.Subject
}
