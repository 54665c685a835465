package builder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// maxSmallFile is the longest Procfile, app.json, CHECKS or Aptfile that is read.
const maxSmallFile = 256 << 10

// declared is what an app says about its processes: in a Procfile, in app.json,
// in teal.toml. Commands are lines still; which argv they become depends on the
// language, see plan.argv.
type declared struct {
	web, webFrom string
	release      []string // run one after the other
	predeploy    []string // before them, see takeBuilds
	releaseFrom  string
	workers      []declaredWorker
	cron         []declaredCron
	notes        []string // for the log
	missing      []string // names that must be in the environment, and are not
}

func (d *declared) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

type declaredWorker struct {
	name, line string
	instances  int
	said       bool // how many there are; else the name and the line tell, see oneOff
}

type declaredCron struct {
	line string
	job  deploy.CronJob
}

var processLine = regexp.MustCompile(`^([A-Za-z0-9_-]{1,40})\s*:\s*(.+)$`)

// readProcfile reads lines of the form "name: command".
func (d *declared) readProcfile(ctx context.Context, t *tree) error {
	text, err := t.readSmall(ctx, "Procfile")
	if err != nil || text == "" {
		return err
	}
	seen := map[string]bool{}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := processLine.FindStringSubmatch(line)
		if m == nil {
			return failure(fmt.Sprintf("Procfile line %d: %q is not of the form name: command", n+1, deploy.Clean(line, 60)), "correct it, commit and push again", nil, nil)
		}
		name, command := m[1], m[2]
		if seen[name] {
			return failure(fmt.Sprintf("Procfile line %d: %s is there already", n+1, name), "correct it, commit and push again", nil, nil)
		}
		if fold := strings.ToLower(name); fold != name && (fold == "web" || fold == "release") {
			return failure(fmt.Sprintf("Procfile line %d: %s is not spelled %s", n+1, name, fold), "process names are told apart by capitals: correct it, commit and push again", nil, nil)
		}
		seen[name] = true
		switch name {
		case "web":
			d.web, d.webFrom = command, "Procfile"
		case "release":
			d.release, d.releaseFrom = []string{command}, "Procfile"
		default:
			d.workers = append(d.workers, declaredWorker{name: name, line: command, instances: 1})
		}
	}
	if len(d.workers) > deploy.MaxWorkers {
		return failure(fmt.Sprintf("the Procfile has %d processes beside web and release", len(d.workers)), fmt.Sprintf("at most %d are run", deploy.MaxWorkers), nil, nil)
	}
	return nil
}

// readSmall reads a small file; one that is not there is empty.
func (t *tree) readSmall(ctx context.Context, name string) (string, error) {
	if !t.has(name) {
		return "", nil
	}
	text, err := t.source.ReadFile(ctx, name, maxSmallFile)
	if errors.Is(err, deploy.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return plain(text), nil
}

// settle fills the settings in with what is declared and teal.toml does not
// override. resolve makes another line of one that the app's language reads in
// its own way; nil: none does.
func (d *declared) settle(s *deploy.Settings, resolve func(line string) string) {
	if resolve == nil {
		resolve = func(line string) string { return line }
	}
	s.Release = resolvedWords(s.Release, resolve)
	if len(s.Release) == 0 && len(d.release) > 0 {
		var lines []string
		for _, line := range d.release {
			lines = append(lines, resolve(line))
		}
		s.Release = joined(lines)
	}
	for _, w := range d.workers {
		s.Workers = append(s.Workers, deploy.Process{Name: w.name, Argv: commandOf(resolve(w.line)), Instances: w.instances})
	}
	for _, c := range d.cron {
		job := c.job
		if job.Argv = resolvedWords(job.Argv, resolve); len(job.Argv) == 0 {
			job.Argv = commandOf(resolve(c.line))
		}
		s.Cron = append(s.Cron, job)
	}
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// resolvedWords resolves a command that is a list. One that would not come to
// the same as a line is taken as it is.
func resolvedWords(argv []string, resolve func(string) string) []string {
	line := strings.Join(argv, " ")
	if slices.ContainsFunc(argv, func(w string) bool { return !plainWord.MatchString(w) }) || resolve(line) == line {
		return argv
	}
	return commandOf(resolve(line))
}

// joined makes one command of lines, each run when the one before it did well.
func joined(lines []string) []string {
	if len(lines) == 1 {
		return commandOf(lines[0])
	}
	for i, line := range lines {
		if strings.ContainsAny(line, ";|&") {
			lines[i] = "( " + line + " )"
		}
	}
	return []string{"/bin/sh", "-c", strings.Join(lines, " && ")}
}
