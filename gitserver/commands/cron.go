package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"teal/deploy"
)

var cronRow = command{
	name: "cron", usage: "APP [run NAME]", scope: oneApp, verb: deploy.VerbView, verbToSet: deploy.VerbDeploy, most: 2, json: true, limit: tailTime,
	short: "the app's scheduled commands, and running one now",
	long: "They are named in [cron] of teal.toml, or in app.json, and run in a container of\n" +
		"their own of the release that serves. Lines of the Procfile that have no instance\n" +
		"are among them. \"run NAME\" runs one now and shows what it writes; the exit code is\n" +
		"0 when it ends well and 1 when not. You may leave: it goes on without you.",
	options: []option{
		{name: "log", value: "NAME", help: "the last output of that command"},
	},
	examples: []string{"cron shop", "cron shop run nightly", "cron shop --log nightly"},
	run:      runCron,
}

func runCron(ctx context.Context, j *job) error {
	switch {
	case len(j.words) == 2 && j.words[0] == "run":
		return j.cronNow(ctx, j.words[1])
	case len(j.words) > 0:
		return j.usage("after the app comes run NAME, or nothing")
	}
	table, err := j.Engine.CronTable(ctx, j.app.Name)
	if err != nil {
		return err
	}
	switch {
	case j.flags.has("log"):
		return j.cronLog(table, j.flags["log"])
	case j.flags.on("json"):
		return j.cronDocument(table)
	case j.app.Live == 0:
		j.say("Nothing of %s is live yet; its scheduled commands come with the first push.", j.app.Name)
		return nil
	case len(table) == 0:
		j.say("%s has no scheduled commands. They are named in [cron] of teal.toml.", j.app.Name)
		return nil
	}
	t := j.rows("NAME", "SCHEDULE", "NEXT", "LAST", "OUTCOME")
	for _, e := range table {
		t.add(e.Name, deploy.Clean(e.Schedule, 60), j.cronNext(e), j.cronLast(e.Last), deploy.Clean(cronOutcome(e.Last), 120))
	}
	t.end()
	return nil
}

func (j *job) cronNext(e deploy.CronEntry) string {
	if e.OnDeploy() {
		return "with a release"
	}
	if !e.OnClock() {
		return "by hand"
	}
	if at, ok := j.NextCron(e); ok {
		return at.Format("Mon 2006-01-02 15:04 MST")
	}
	return "-"
}

func (j *job) cronLast(r deploy.CronRecord) string {
	if r.Begun.IsZero() {
		return "never"
	}
	return j.ago(r.Begun)
}

// cronOutcome says how the latest run went, or goes.
func cronOutcome(r deploy.CronRecord) string {
	switch {
	case r.Begun.IsZero():
		return "-"
	case r.Running():
		return "runs in " + deploy.ReleaseName(r.Release)
	}
	text := fmt.Sprintf("%s in %s, %s", r.Outcome, r.Ended.Sub(r.Begun).Round(100*time.Millisecond), deploy.ReleaseName(r.Release))
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// cronNow runs a command and shows what it writes.
func (j *job) cronNow(ctx context.Context, name string) error {
	if j.flags.on("json") || j.flags.has("log") {
		return j.usage("run has no use for options")
	}
	out := &cleaner{w: j.Stdout}
	r, err := j.Engine.CronRun(ctx, j.app.Name, name, j.user.Name, out)
	switch app := string(j.app.Name); {
	case errors.Is(err, deploy.ErrBusy):
		return trouble(ExitBusy, err.Error(), j.Hint.Command("cron", app))
	case errors.Is(err, deploy.ErrNotFound), errors.Is(err, deploy.ErrNothing):
		exit := ExitNotFound
		if errors.Is(err, deploy.ErrNothing) {
			exit = ExitFailed
		}
		return trouble(exit, err.Error(), j.Hint.Command("cron", app)).because(err)
	case err != nil:
		return err
	case r.Outcome != deploy.CronOK:
		return trouble(ExitFailed, fmt.Sprintf("%s of %s failed after %s: %s", r.Name, deploy.ReleaseName(r.Release), r.Ended.Sub(r.Begun).Round(100*time.Millisecond), r.Reason),
			j.Hint.Command("cron", app, "--log", r.Name))
	}
	j.remark("%s of %s ran well in %s.", r.Name, deploy.ReleaseName(r.Release), r.Ended.Sub(r.Begun).Round(100*time.Millisecond))
	return nil
}

func (j *job) cronLog(table []deploy.CronEntry, name string) error {
	for _, e := range table {
		if e.Name != name {
			continue
		}
		switch {
		case e.Last.Begun.IsZero():
			j.remark("%s has not run yet.", name)
		case e.Last.Running():
			j.remark("%s runs; its output is kept when it has ended.", name)
		default:
			j.remark("%s, %s: %s", name, j.ago(e.Last.Begun), deploy.Clean(cronOutcome(e.Last), 300))
			for _, line := range e.Last.Output {
				if _, err := io.WriteString(j.Stdout, deploy.Clean(line, 4096)+"\n"); err != nil {
					return errGone
				}
			}
		}
		return nil
	}
	return trouble(ExitNotFound, fmt.Sprintf("%s has no scheduled command %q", j.app.Name, deploy.Clean(name, 60)), j.Hint.Command("cron", string(j.app.Name)))
}

// cronItem is one command of the document.
type cronItem struct {
	Name     string     `json:"name"`
	Schedule string     `json:"schedule"`
	Command  []string   `json:"command"`
	Timeout  float64    `json:"timeout"` // seconds
	Next     *time.Time `json:"next"`
	Last     *cronLast  `json:"last"`
}

type cronLast struct {
	Began   time.Time  `json:"began"`
	Ended   *time.Time `json:"ended"`
	Release int        `json:"release"`
	By      string     `json:"by"`
	Outcome string     `json:"outcome"` // "" while it runs
	Exit    int        `json:"exit"`
	Reason  string     `json:"reason"`
}

func (j *job) cronDocument(table []deploy.CronEntry) error {
	items := []cronItem{}
	for _, e := range table {
		item := cronItem{Name: e.Name, Schedule: e.Schedule, Command: e.Argv, Timeout: e.Timeout.Seconds()}
		if at, ok := j.NextCron(e); ok {
			at = at.UTC()
			item.Next = &at
		}
		if r := e.Last; !r.Begun.IsZero() {
			item.Last = &cronLast{Began: r.Begun.UTC(), Release: r.Release, By: r.By, Outcome: string(r.Outcome), Exit: r.Exit.Code, Reason: r.Reason}
			if !r.Ended.IsZero() {
				end := r.Ended.UTC()
				item.Last.Ended = &end
			}
		}
		items = append(items, item)
	}
	return j.document(map[string]any{"app": j.app.Name, "release": j.app.Live, "commands": items})
}
