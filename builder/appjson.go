package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"teal/deploy"
)

// declare reads what the app says about itself in files that others have thought
// up: Procfile, CHECKS and app.json, whose word goes over that of CHECKS. set are
// the names in the app's environment.
func declare(ctx context.Context, t *tree, s *deploy.Settings, set []string) (declared, error) {
	var d declared
	if err := t.refuseLinks(); err != nil {
		return d, err
	}
	for _, line := range t.misspelled() {
		d.note("warning: %s", line)
	}
	if err := d.readProcfile(ctx, t); err != nil {
		return d, err
	}
	if err := d.readAppJSON(ctx, t, s, set); err != nil {
		return d, err
	}
	if err := d.readChecks(ctx, t, s); err != nil {
		return d, err
	}
	for _, file := range [][2]string{
		{".buildpacks", "Teal finds the language by itself, or takes your Dockerfile"},
		{"DOKKU_SCALE", "formation in app.json says how many run"},
		{"nginx.conf.sigil", "Teal's own router is in front"},
	} {
		if t.has(file[0]) {
			d.note("%s is not used: %s", file[0], file[1])
		}
	}
	var err error
	t.apt, err = readAptfile(ctx, t)
	return d, err
}

// appJSON is the part of an app.json that Teal uses, as Heroku and Dokku define it.
type appJSON struct {
	Formation    map[string]formation       `json:"formation"`
	Healthchecks map[string][]healthcheck   `json:"healthchecks"`
	Scripts      map[string]json.RawMessage `json:"scripts"`
	Env          map[string]json.RawMessage `json:"env"`
	Cron         []appCron                  `json:"cron"`
	Buildpacks   []struct {
		URL string `json:"url"`
	} `json:"buildpacks"`
}

type formation struct {
	Quantity *int `json:"quantity"`
}

type appCron struct {
	Command  string `json:"command"`
	Schedule string `json:"schedule"`
}

// silentKeys say something about an app that changes nothing in how it runs.
var silentKeys = []string{"name", "description", "keywords", "website", "repository", "logo", "success_url", "$schema"}

// usedKeys are those of appJSON.
var usedKeys = []string{"formation", "healthchecks", "scripts", "env", "cron", "buildpacks"}

func (d *declared) readAppJSON(ctx context.Context, t *tree, s *deploy.Settings, set []string) error {
	text, err := t.readSmall(ctx, "app.json")
	if err != nil || strings.TrimSpace(text) == "" {
		return err
	}
	var keys map[string]json.RawMessage
	var app appJSON
	if err := errors.Join(json.Unmarshal([]byte(text), &keys), json.Unmarshal([]byte(text), &app)); err != nil {
		return appJSONError("%s", jsonTrouble(text, err))
	}
	var unused []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(usedKeys, key) && !slices.Contains(silentKeys, key) {
			unused = append(unused, deploy.Clean(key, 40))
		}
	}
	if len(unused) > 0 {
		d.note("app.json: not used: %s", strings.Join(unused, ", "))
	}
	for _, b := range app.Buildpacks {
		d.note("app.json: the buildpack %s is not used: Teal finds the language by itself, or takes your Dockerfile", deploy.Clean(b.URL, 100))
	}
	if err := d.takeFormation(app.Formation, s); err != nil {
		return err
	}
	if err := d.takeHealthchecks(app.Healthchecks, s); err != nil {
		return err
	}
	if err := d.takeScripts(app.Scripts); err != nil {
		return err
	}
	if err := d.takeAppCron(app.Cron); err != nil {
		return err
	}
	return d.takeEnv(app.Env, s, set)
}

// takeFormation takes how many of each process there are to be.
func (d *declared) takeFormation(all map[string]formation, s *deploy.Settings) error {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n := all[name].Quantity
		switch {
		case n == nil:
		case *n < 0 || *n > deploy.MaxInstances:
			return appJSONError("formation.%s.quantity is %d: 0 to %d", deploy.Clean(name, 40), *n, deploy.MaxInstances)
		case name == "web" && *n == 0:
			d.note("app.json: formation.web.quantity is 0, and web has one instance all the same: something must answer")
		case name == "web":
			s.Instances = *n
			d.note("app.json: %d of web", *n)
		case !d.scaleWorker(name, *n):
			d.note("app.json: formation.%s is not used: the Procfile has no such process", deploy.Clean(name, 40))
		}
	}
	return nil
}

func (d *declared) scaleWorker(name string, n int) bool {
	for i := range d.workers {
		if d.workers[i].name == name {
			d.workers[i].instances, d.workers[i].said = n, true
			return true
		}
	}
	return false
}

// takeScripts takes the commands around a deployment: before the release is live
// they go before the release command of the Procfile; after it they run when it is.
func (d *declared) takeScripts(scripts map[string]json.RawMessage) error {
	dokku := map[string]string{}
	if raw, ok := scripts["dokku"]; ok {
		if err := json.Unmarshal(raw, &dokku); err != nil {
			return appJSONError("scripts.dokku must be an object of command lines")
		}
	}
	lines := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		var line string
		switch {
		case name == "dokku":
		case json.Unmarshal(scripts[name], &line) != nil:
			return appJSONError("scripts.%s must be a command line", deploy.Clean(name, 40))
		case name == "release" || name == "postdeploy":
			lines[name] = strings.TrimSpace(line)
		default:
			d.note("app.json: scripts.%s is not used", deploy.Clean(name, 40))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dokku)) {
		if name != "predeploy" && name != "postdeploy" {
			d.note("app.json: scripts.dokku.%s is not used", deploy.Clean(name, 40))
		}
	}
	if line := strings.TrimSpace(dokku["predeploy"]); line != "" {
		d.predeploy = parts(line)
	}
	if line := lines["release"]; line != "" {
		d.note("app.json: before the release is live: %s", deploy.Clean(line, 120))
		d.release = append([]string{line}, d.release...)
	}
	d.after("postdeploy", deploy.CronDeploy, dokku["postdeploy"])
	d.after("first-postdeploy", deploy.CronFirstDeploy, lines["postdeploy"])
	return nil
}

// after adds a command that runs when a release has become live.
func (d *declared) after(name, when, line string) {
	if line = strings.TrimSpace(line); line != "" {
		d.cron = append(d.cron, declaredCron{line, deploy.CronJob{Name: name, Schedule: when, Timeout: cronTimeout}})
	}
}

// takeAppCron takes the scheduled commands, which have no names of their own there.
func (d *declared) takeAppCron(all []appCron) error {
	if len(all) > deploy.MaxCron {
		return appJSONError("cron has %d commands: at most %d are run", len(all), deploy.MaxCron)
	}
	for i, c := range all {
		line, schedule := strings.TrimSpace(c.Command), strings.Join(strings.Fields(c.Schedule), " ")
		if line == "" || schedule == "" || strings.ContainsAny(line, "\x00\n") {
			return appJSONError("cron, command %d needs a command of one line and a schedule", i+1)
		}
		if !(deploy.CronJob{Schedule: schedule}).OnClock() {
			return appJSONError("cron, command %d: %s is known in teal.toml only", i+1, schedule)
		}
		d.cron = append(d.cron, declaredCron{line, deploy.CronJob{Name: d.cronName(line), Schedule: schedule, Timeout: cronTimeout}})
	}
	return nil
}

// cronName makes a name of a command line: "bin/rake db:clean" is "bin-rake-db-clean".
func (d *declared) cronName(line string) string {
	words := strings.FieldsFunc(line, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
	base := strings.TrimLeft(strings.Join(words, "-"), "-_0123456789")
	if base = strings.TrimRight(base[:min(len(base), 36)], "-"); base == "" {
		base = "command"
	}
	name := base
	for n := 2; slices.ContainsFunc(d.cron, func(c declaredCron) bool { return c.job.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

func appJSONError(format string, args ...any) error {
	return failure("app.json: "+fmt.Sprintf(format, args...), "correct app.json, commit and push again", nil, nil)
}

// jsonTrouble says where the text is no JSON, or has another type than it should.
func jsonTrouble(text string, err error) string {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line := 1 + strings.Count(text[:min(int(syntax.Offset), len(text))], "\n")
		return fmt.Sprintf("line %d: %s", line, syntax)
	case errors.As(err, &typed):
		return fmt.Sprintf("%s can't be a %s", deploy.Clean(typed.Field, 60), typed.Value)
	}
	return deploy.Clean(err.Error(), 200)
}
