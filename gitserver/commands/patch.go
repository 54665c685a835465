package commands

import (
	"context"
	"fmt"
	"strings"

	"teal/deploy"
)

var patchRow = command{
	name: "patch", usage: "APP", scope: oneApp, verb: deploy.VerbDeploy, json: true, limit: followTime,
	short: "bring what serves up to date now, or say what that would change",
	long: "What the schedule does by itself. The result is compared package by package: if it\n" +
		"differs it is deployed like a push, probed first, the old color kept; if it does\n" +
		"not, nothing restarts. One app is patched at a time.",
	options: []option{
		{name: "now", help: "do it now (this is what happens without --dry-run, too)"},
		{name: "dry-run", help: "say what is out of date; no app is touched, but newer stack images are made, as any look does"},
		optDetach,
	},
	examples: []string{"patch shop --dry-run", "patch shop --now"},
	run:      runPatch,
}

func runPatch(ctx context.Context, j *job) error {
	if j.flags.on("dry-run") && j.flags.on("now") {
		return j.usage("--now does it and --dry-run does not: ask for one")
	}
	if j.flags.on("dry-run") {
		return j.planPatch(ctx)
	}
	if j.flags.on("json") {
		return j.usage("--json is for --dry-run")
	}
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	d, err := j.Engine.Patch(soon, j.app.Name)
	if err != nil {
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), "git push teal main")
	}
	return j.see(ctx, d, 0)
}

// planPatch tells what a patch run would do.
func (j *job) planPatch(ctx context.Context) error {
	plan, err := j.Engine.PlanPatch(ctx, j.app.Name)
	if err != nil {
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), "git push teal main")
	}
	p := plan.Pending
	if j.flags.on("json") {
		return j.document(map[string]any{
			"app": j.app.Name, "release": plan.Live.Number, "changes": append([]deploy.Change{}, p.Changes...),
			"bases": append([]string{}, p.Bases...), "unknown": append([]string{}, p.Unknown...), "pushed": append([]string{}, p.Pushed...),
			"remedy": p.Remedy, "held": plan.Held,
		})
	}
	name := fmt.Sprintf("%s of %s", plan.Live.Name(), j.app.Name)
	if p.None() {
		j.say("%s is up to date: every package is as new as its archive has it.", name)
		j.pushed(p)
		return nil
	}
	j.say("%s: %d updates, %d of them for security", name, len(p.Changes), p.Security())
	for _, base := range p.Bases {
		j.say("Newer: %s", deploy.Clean(base, 200))
	}
	for _, line := range p.Unknown {
		j.say("Cannot tell: %s", deploy.Clean(line, 300))
	}
	j.pushed(p)
	j.changes(p.Changes)
	j.say("\nA patch run would %s, and deploy the result if its packages differ.", deploy.Clean(p.Remedy, 200))
	if plan.Held != "" {
		j.say("The schedule does not: %s.", deploy.Clean(plan.Held, 300))
	}
	j.remark("next: %s", j.Hint.Command("patch", string(j.app.Name), "--now"))
	return nil
}

// pushed says what no patch run looks at.
func (j *job) pushed(p deploy.Pending) {
	for _, line := range p.Pushed {
		j.say("Only a push changes: %s", deploy.Clean(line, 200))
	}
}

// changes lists packages that differ.
func (j *job) changes(all []deploy.Change) {
	if len(all) == 0 {
		return
	}
	j.say("")
	t := j.rows("PACKAGE", "OLD", "NEW", "", "CLOSES")
	for _, c := range all {
		why := ""
		if c.Security {
			why = "security"
		}
		t.add(c.Name, c.Old, c.New, why, deploy.Clean(strings.Join(c.CVEs, " "), 120))
	}
	t.end()
}
