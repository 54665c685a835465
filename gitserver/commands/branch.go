package commands

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"teal/deploy"
)

var branchRow = command{
	name: "branch", usage: "APP [NAME|-]", scope: oneApp, verb: deploy.VerbView, verbToSet: deploy.VerbDomains, most: 1,
	short: "the branch whose pushes are deployed",
	long: "Without a name: which it is. With one: only pushes to that branch deploy from now\n" +
		"on. \"-\" goes back to main or master.",
	examples: []string{"branch shop", "branch shop release", "branch shop -"},
	run:      runBranch,
}

func runBranch(ctx context.Context, j *job) error {
	if len(j.words) == 0 {
		j.say("%s", deployedBranch(j.app.Branch))
		return nil
	}
	branch := strings.TrimPrefix(j.words[0], "refs/heads/")
	if branch == "-" {
		branch = ""
	} else if !isBranch(branch) {
		return j.usage("%q is not a name for a branch", deploy.Clean(branch, 60))
	}
	if err := j.Store.SetBranch(ctx, j.app.Name, branch); err != nil {
		return err
	}
	j.say("Pushes to %s deploy %s from now on.", deployedBranch(branch), j.app.Name)
	return nil
}

func deployedBranch(branch string) string {
	if branch == "" {
		return "main or master"
	}
	return deploy.Clean(branch, 200)
}

var branchPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+#@-]{0,199}$`)

// isBranch accepts names that git does and that need no quoting in texts; the
// rules beyond the pattern are those of git-check-ref-format.
func isBranch(s string) bool {
	if !branchPattern.MatchString(s) || strings.Contains(s, "..") || s == "HEAD" {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

var scheduleRow = command{
	name: "schedule", usage: "APP [SPEC|off|default]", scope: oneApp, verb: deploy.VerbView, verbToSet: deploy.VerbDomains, most: 7,
	short: "when the app is rebuilt for security patches",
	long: "SPEC is five fields of cron: minute, hour, day of month, month, weekday; with\n" +
		"CRON_TZ=Area/City before them in that time zone. Put it in quotes.",
	examples: []string{"schedule shop", `"schedule shop '30 4 * * 1'"`, `"schedule shop 'CRON_TZ=Europe/Paris 0 3 * * *'"`, "schedule shop off", "schedule shop default"},
	run:      runSchedule,
}

func runSchedule(ctx context.Context, j *job) error {
	if len(j.words) == 0 {
		j.say("%s", j.plan(j.app))
		return nil
	}
	// Through SSH a quoted spec may come as one word or as six.
	spec := strings.Join(strings.Fields(strings.Join(j.words, " ")), " ")
	if spec == "default" {
		spec = ""
	}
	if err := j.CheckSchedule(spec); err != nil {
		return err
	}
	if err := j.Store.SetPatchSchedule(ctx, j.app.Name, spec); err != nil {
		return err
	}
	app := j.app
	app.PatchSchedule = spec
	j.say("%s", j.plan(app))
	return nil
}

// plan says when an app is patched.
func (j *job) plan(a deploy.App) string {
	spec, whose := a.PatchSchedule, "its own schedule"
	if spec == "" {
		spec, whose = j.DefaultSchedule, "the server's default"
	}
	if spec == "" || spec == "off" {
		return fmt.Sprintf("%s is not patched by itself (%s).", a.Name, whose)
	}
	s := fmt.Sprintf("%s is patched at %s (%s).", a.Name, deploy.Clean(spec, 120), whose)
	if a.PatchPinned {
		return s + " It pauses until the next push, because of a rollback."
	}
	if at, ok := j.NextPatch(a); ok {
		s += fmt.Sprintf(" Next: %s (%s).", at.Format("Mon 2006-01-02 15:04 MST"), j.ago(at))
	}
	return s
}
