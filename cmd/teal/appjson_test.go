package main

import (
	"path/filepath"
	"regexp"
	"testing"
)

// TestAppWrittenForHerokuAndDokkuDeploysUnchanged: what its app.json requires is
// asked for, what it declares is in its environment, a secret is made once, and
// its health check decides.
func TestAppWrittenForHerokuAndDokkuDeploysUnchanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	declare := func(want string) {
		writeFile(t, filepath.Join(a.dir, "app.json"), `{
  "stack": "heroku-24",
  "env": {"LOCALE": "de", "KEY": {"generator": "secret"}, "DATABASE": {"description": "where the data are"}},
  "healthchecks": {"web": [{"type": "startup", "name": "ours", "path": "/version", "content": "`+want+`", "attempts": 3, "timeout": 1, "wait": 1}]},
  "scripts": {"dokku": {"predeploy": "/vict -show LOCALE -sleep 10ms"}},
  "cron": [{"command": "/vict -show KEY -sleep 10ms", "schedule": "@yearly"}]
}`, 0o644)
	}
	declare("one")
	a.commit(vict{version: "one"})
	a.push().exits(1).says("app.json requires DATABASE, and nothing is set", "config set APP DATABASE=…")
	w.command(t, "anna", "config", "set", "shop", "DATABASE=there").exits(0)
	a.push().exits(0).says(
		"app.json: not used: stack", "app.json: values for what is not set: LOCALE", "app.json: before the release is live: /vict -show LOCALE",
		"LOCALE is de", `probe GET /version, with "one" in the answer`, "KEY has a secret value now",
	)
	key := regexp.MustCompile(`(?m)^KEY[ =]+\S{40,}`)
	first := key.FindString(w.command(t, "anna", "config", "list", "shop", "--show").exits(0).out)
	w.command(t, "anna", "cron", "shop", "run", "vict-show-KEY-sleep-10ms").exits(0).says("KEY is [redacted]")

	declare("not there")
	a.commit(vict{version: "two"})
	a.push().exits(1).says(`probe answered 200 without "not there"`, `GET /version must answer with "not there" in it`, "its answer begins \"two\"")
	a.serves("one")
	if again := key.FindString(w.command(t, "anna", "config", "list", "shop", "--show").exits(0).out); first == "" || again != first {
		t.Errorf("the secret was %q, is %q", first, again)
	}
}
