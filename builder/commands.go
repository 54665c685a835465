package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// command is one that the app wants to have run, and where it says so.
type command struct {
	what string // "process mail of the Procfile"
	line string // as in a Procfile; "" when it is a list of words
	argv []string
}

var betweenWords = regexp.MustCompile(`[^A-Za-z0-9_./-]+`)

// text is the command as one line.
func (c command) text() string {
	if c.line == "" {
		return strings.Join(c.argv, " ")
	}
	return c.line
}

// words are the parts of the command that may name a program.
func (c command) words() []string {
	if c.line == "" {
		return c.argv
	}
	return betweenWords.Split(c.line, -1)
}

// commands lists all that the app declares, web first.
func (j *job) commands() (all []command) {
	d := j.declared
	add := func(line string, argv []string, format string, args ...any) {
		all = append(all, command{what: fmt.Sprintf(format, args...), line: strings.TrimSpace(line), argv: argv})
	}
	if d.web != "" {
		add(d.web, nil, "web of the %s", d.webFrom)
	}
	if argv := j.manifest.Settings.Release; len(argv) > 0 {
		add("", argv, "the release command of %s", manifestName)
	} else {
		for _, line := range d.predeploy {
			if !slices.Contains(j.tree.predeploy, line) {
				add(line, nil, "scripts.dokku.predeploy of app.json")
			}
		}
		for _, line := range d.release {
			add(line, nil, "the release command of the %s", d.releaseFrom)
		}
		if len(d.predeploy)+len(d.release) > 1 {
			add("", []string{"/bin/sh"}, "a release command of several lines")
		}
	}
	for _, w := range d.workers {
		add(w.line, nil, "process %s of the Procfile", w.name)
	}
	for _, c := range d.cron {
		kind := "scheduled command"
		if c.job.Schedule == deploy.CronManual {
			kind = "command"
		}
		add(c.line, c.job.Argv, "%s %s", kind, c.job.Name)
	}
	return all
}
