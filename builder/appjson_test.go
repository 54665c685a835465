package builder

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// declaredOf reads what the files say, with the names that are set, and gives
// the settings that come of it for a language whose commands are plain.
func declaredOf(t *testing.T, source fsSource, set ...string) (deploy.Settings, []string, error) {
	t.Helper()
	tree, err := newTree(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	s := deploy.DefaultSettings()
	d, err := declare(t.Context(), tree, &s, set)
	if err == nil {
		err = d.complete()
		d.standBy()
		d.predeployed(false)
		d.settle(&s, nil)
	}
	return s, d.notes, err
}

const herokuApp = `{
  "name": "shop", "description": "A shop", "keywords": ["x"], "repository": "https://example.org", "logo": "x", "success_url": "/",
  "stack": "heroku-24", "addons": ["heroku-postgresql"], "buildpacks": [{"url": "heroku/ruby"}], "environments": {},
  "formation": {"web": {"quantity": 2, "size": "standard-1x"}, "worker": {"quantity": 3}, "clock": {"quantity": 1}},
  "env": {
    "RAILS_ENV": "production", "SECRET_KEY_BASE": {"generator": "secret"}, "LOCALE": {"value": "de", "description": "x"},
    "SENTRY": {"required": false}, "DATABASE_URL": {"description": "where the data are"}, "SET": {"value": "not this"}
  },
  "scripts": {"postdeploy": "bin/rake db:seed", "test": "bin/rake"}
}`

func TestAppWrittenForHerokuIsTakenAsItIs(t *testing.T) {
	source := files("app.json", herokuApp, ".buildpacks", "x", "Procfile", "web: bundle exec puma -p $PORT\nworker: bundle exec sidekiq\nrelease: bin/rake db:migrate\n")
	s, notes, err := declaredOf(t, source, "DATABASE_URL", "SET")
	if err != nil {
		t.Fatal(err)
	}
	if s.Instances != 2 || len(s.Workers) != 1 || s.Workers[0].Instances != 3 {
		t.Errorf("processes: %d web, %+v", s.Instances, s.Workers)
	}
	if want := map[string]string{"RAILS_ENV": "production", "LOCALE": "de"}; !reflect.DeepEqual(s.Env, want) || !reflect.DeepEqual(s.Secrets, []string{"SECRET_KEY_BASE"}) {
		t.Errorf("env %v, secrets %v", s.Env, s.Secrets)
	}
	if want := []deploy.CronJob{{Name: "first-postdeploy", Schedule: deploy.CronFirstDeploy, Argv: []string{"bin/rake", "db:seed"}, Timeout: time.Hour}}; !reflect.DeepEqual(s.Cron, want) {
		t.Errorf("cron %+v", s.Cron)
	}
	contains(t, strings.Join(s.Release, " "), "bin/rake db:migrate")
	all := strings.Join(notes, "\n")
	for _, want := range []string{
		"app.json: not used: addons, environments, stack", "the buildpack heroku/ruby is not used", "formation.clock is not used: the Procfile has no such process",
		"2 of web", "values for what is not set: LOCALE, RAILS_ENV", "SECRET_KEY_BASE is not set: a secret value is made for it", "scripts.test is not used", ".buildpacks is not used",
	} {
		contains(t, all, want)
	}
	_, _, err = declaredOf(t, source, "SET")
	var f *deploy.Failure
	if !errors.As(err, &f) || f.Reason != "app.json requires DATABASE_URL, and nothing is set" || !strings.Contains(f.Hint, "config set APP DATABASE_URL=…") {
		t.Errorf("without what it requires: %+v", err)
	}
}

const dokkuApp = `{
  "healthchecks": {"web": [
    {"type": "startup", "name": "home", "path": "/health", "attempts": 6, "timeout": 4, "wait": 2, "content": "fine", "port": 5000},
    {"type": "startup", "name": "tenant", "path": "/t", "httpHeaders": [{"name": "Host", "value": "tenant.example.org"}]},
    {"type": "liveness", "name": "alive", "path": "/live"},
    {"type": "startup", "name": "db", "command": ["bin/check"]},
    {"type": "startup", "name": "up", "uptime": 10}
  ], "worker": [{"name": "w", "uptime": 1}]},
  "scripts": {"dokku": {"predeploy": "bin/prepare", "postdeploy": "bin/warm | tee log", "prebuild": "x"}},
  "cron": [{"command": "node clean.js --all", "schedule": "@daily"}, {"command": "node clean.js --all", "schedule": "0 4 * * *"}]
}`

func TestAppWrittenForDokkuIsTakenAsItIs(t *testing.T) {
	s, notes, err := declaredOf(t, files("app.json", dokkuApp, "Procfile", "web: node web.js\nrelease: node migrate.js\n", "CHECKS", "/old"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []deploy.Expectation{{Path: "/health", Text: "fine"}, {Path: "/t", Host: "tenant.example.org"}}; !reflect.DeepEqual(s.Expect, want) {
		t.Errorf("expects %+v", s.Expect)
	}
	if s.ProbePath != "/health" || s.ProbeTimeout != 4*time.Second || s.StartTimeout != 36*time.Second {
		t.Errorf("probe %s, %s, %s", s.ProbePath, s.ProbeTimeout, s.StartTimeout)
	}
	if want := []string{"/bin/sh", "-c", "bin/prepare && node migrate.js"}; !reflect.DeepEqual(s.Release, want) {
		t.Errorf("release %q", s.Release)
	}
	var names []string
	for _, c := range s.Cron {
		names = append(names, c.Name+" "+c.Schedule)
	}
	if want := []string{"postdeploy @deploy", "node-clean-js-all @daily", "node-clean-js-all-2 0 4 * * *"}; !reflect.DeepEqual(names, want) {
		t.Errorf("cron %q", names)
	}
	all := strings.Join(notes, "\n")
	for _, want := range []string{
		`the port 5000 of the health check "home" is not used`, `"alive" is not used`, `"db" is not used: it runs a command`, `"up" is not used`, `"w" of worker is not used`,
		"scripts.dokku.prebuild is not used", `probe GET /health, with "fine" in the answer`, "CHECKS is not used: app.json has health checks",
	} {
		contains(t, all, want)
	}
}

func TestHealthcheckThatDoesNotSayHowOftenIsTriedThreeTimesAsDokkuDoes(t *testing.T) {
	for check, want := range map[string]time.Duration{
		`{"path": "/", "initialDelay": 90}`:              120 * time.Second,
		`{"path": "/", "timeout": 20, "wait": 10}`:       90 * time.Second,
		`{"path": "/", "wait": 1}`:                       60 * time.Second, // never shorter than without
		`{"path": "/", "initialDelay": -5, "wait": 1e9}`: time.Hour,
		`{"path": "/", "attempts": 1, "timeout": 3}`:     8 * time.Second,
		`{"path": "/"}`: 60 * time.Second,
	} {
		s, _, err := declaredOf(t, files("app.json", `{"healthchecks": {"web": [`+check+`]}}`))
		if err != nil || s.StartTimeout != want {
			t.Errorf("%s: %s, not %s, %v", check, s.StartTimeout, want, err)
		}
	}
}

func TestChecksFileBecomesTheProbe(t *testing.T) {
	s, notes, err := declaredOf(t, files("CHECKS", "# ours\nWAIT=2\nTIMEOUT=8\nATTEMPTS=3\n\n/\tWelcome to the shop\n//admin.example.org/login?x=1\nhttp://api.example.org/v1 ok\nOTHER=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []deploy.Expectation{{Path: "/", Text: "Welcome to the shop"}, {Path: "/login?x=1", Host: "admin.example.org"}, {Path: "/v1", Host: "api.example.org", Text: "ok"}}
	if !reflect.DeepEqual(s.Expect, want) || s.ProbeTimeout != 8*time.Second || s.StartTimeout != 30*time.Second {
		t.Errorf("%+v, %s, %s", s.Expect, s.ProbeTimeout, s.StartTimeout)
	}
	contains(t, strings.Join(notes, "\n"), "CHECKS line 9: OTHER is not used")
}

func TestTealTomlGoesOverAppJSON(t *testing.T) {
	b := &Builder{}
	j := &job{Builder: b, req: deploy.BuildRequest{Source: files("app.json", dokkuApp, "teal.toml", "instances = 3\n[probe]\npath = \"/ours\"\n[cron.x]\nschedule = \"@daily\"\ncommand = \"bin/x\"\n"), Defaults: deploy.DefaultSettings()}}
	if err := j.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := j.manifest.Settings
	if s.ProbePath != "/ours" || s.Expect != nil || s.Instances != 3 || len(j.declared.cron) != 1 || j.declared.cron[0].job.Name != "x" {
		t.Errorf("%+v, cron %+v", s, j.declared.cron)
	}
}

func TestWrongAppJSONAndChecksAreRefusedInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"{\n\"env\": ,\n}": "app.json: line 2: invalid character",
		`{"formation": {"web": {"quantity": "two"}}}`: "can't be a string",
		`{"formation": {"web": {"quantity": 99}}}`:    "formation.web.quantity is 99: 0 to 10",
		`{"env": {"A B": "x"}}`:                       `"A B" is not a name`,
		`{"env": {"A": {"generator": "uuid"}}}`:       `the generator "uuid" is not known`,
		`{"env": {"A": 3}}`:                           "env.A: it must be a string, or an object",
		`{"cron": [{"command": "x"}]}`:                "command 1 needs a command of one line and a schedule",
		`{"scripts": {"dokku": "x"}}`:                 "scripts.dokku must be an object",
		`{"healthchecks": {"web": [{"path": "no"}]}}`: "no is not a path",
		"CHECKS:ATTEMPTS=many":                        `CHECKS line 1: ATTEMPTS is a number, not "many"`,
		"CHECKS:welcome here":                         `CHECKS line 1: "welcome" is not a path, //host/path or a URL`,
	} {
		source := files("app.json", text)
		if rest, ok := strings.CutPrefix(text, "CHECKS:"); ok {
			source = files("CHECKS", rest)
		}
		_, _, err := declaredOf(t, source)
		var f *deploy.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Reason, want) || !strings.Contains(f.Hint, "correct ") || strings.ContainsAny(f.Reason, "\n") {
			t.Errorf("%s: %+v, want %q", text, err, want)
		}
	}
}
