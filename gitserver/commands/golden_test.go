package commands

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

func TestAnswersReadAsTheyShould(t *testing.T) {
	for name, args := range map[string]string{
		"help": "help", "help-config": "help config", "help-logs": "help logs", "help-config-set": "config set --help",
		"help-branch": "help branch", "help-rollback": "help restart-previous",
		"apps": "apps", "apps-json": "apps --json", "ps": "ps", "ps-json": "ps shop --json",
		"releases": "releases shop", "releases-json": "releases shop --json",
		"deployments": "deployments shop", "deployments-json": "deployments shop -n 2 --json",
		"config-list": "config list shop", "config-list-show": "config list shop --show",
		"config-list-json": "config list shop --json", "config-list-show-json": "config list shop --show --json",
		"receipt": "receipt shop", "receipt-json": "receipt shop 17 --json",
		"domains-list": "domains list shop", "domains-list-json": "domains list shop --json",
		"access-list": "access list shop", "access-list-json": "access list shop --json",
		"keys-list": "keys", "keys-list-json": "keys list --json", "whoami": "whoami", "whoami-json": "whoami --json",
		"version": "version", "login": "login", "schedule": "schedule shop", "branch": "branch shop",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.run("anna", strings.Fields(args)...)
			r.want(t, ExitDone)
			golden(t, name, r.out)
			if strings.HasSuffix(name, "json") {
				oneObject(t, r.out)
			}
		})
	}
}

func TestAnswersForAdministratorsReadAsTheyShould(t *testing.T) {
	for name, args := range map[string]string{
		"users-list": "users", "users-list-json": "users list --json", "audit": "audit", "audit-json": "audit --json",
		"alerts": "alerts", "alerts-json": "alerts --json",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.alert("shop", deploy.Delivery{DoneAt: noon.Add(-time.Minute), Attempts: 1})
			w.alert("shop", deploy.Delivery{Attempts: 2, LastError: "421 try\x1b[2J later", NextAt: noon.Add(time.Minute)})
			w.alert("gone", deploy.Delivery{DoneAt: noon, Attempts: 9, LastError: "no route", GaveUp: true})
			w.run("vera", "rollback", "shop")
			r := w.run("root", strings.Fields(args)...)
			r.want(t, ExitDone)
			golden(t, name, r.out)
			if strings.HasSuffix(name, "json") {
				oneObject(t, r.out)
			}
		})
	}
}

// alert puts a delivery into the outbox.
func (w *world) alert(app deploy.AppName, d deploy.Delivery) {
	d.ID, d.Channel, d.CreatedAt = int64(len(w.outbox)+1), "mail", noon.Add(-time.Hour)
	d.Alert = deploy.Alert{
		App: app, Deployment: 16, Commit: deploy.Commit{ID: commitC},
		Failure: deploy.Failure{Step: deploy.StepProbe, Reason: "probe answered 500"},
	}
	w.outbox = append(w.outbox, d)
}

// oneObject asserts that s is one JSON object whose lists are never null.
func oneObject(t *testing.T, s string) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Errorf("not one JSON object: %v\n%s", err, s)
	}
	for name, value := range v {
		if value == nil && name != "failure" && name != "receipt" && !strings.HasSuffix(name, "_at") {
			t.Errorf("%s is null", name)
		}
	}
}

func TestJSONKeepsTextExactAndTerminalsSafe(t *testing.T) {
	w := newWorld(t)
	r := w.run("anna", "config", "list", "shop", "--show", "--json")
	r.want(t, ExitDone)
	var doc struct {
		Config []struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatal(err)
	}
	if got, want := doc.Config[1].Value, w.apps["shop"].Env["SECRET"]; got != want {
		t.Errorf("value %q, want %q", got, want)
	}
	w.apps["shop"].Env["SECRET"] = "\U000e0001\u009b\u202eäö\u2028"
	r = w.run("anna", "config", "list", "shop", "--show", "--json")
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || doc.Config[1].Value != w.apps["shop"].Env["SECRET"] {
		t.Errorf("value %q, %v", doc.Config[1].Value, err)
	}
}

func TestEmptyWorldsReadWellToo(t *testing.T) {
	w := newWorld(t)
	w.run("nick", "apps").want(t, ExitDone, "No apps yet.", "next: ssh -p 2222 teal.example.com create APP")
	w.run("nick", "ps").want(t, ExitDone, "No apps yet.")
	w.run("nick", "apps", "--json").want(t, ExitDone, `"apps": []`)
	w.run("nick", "alerts").want(t, ExitDone, "No alerts.")
	w.run("anna", "releases", "blog").want(t, ExitDone, "No releases yet.")
	w.run("anna", "deployments", "blog").want(t, ExitDone, "No deployments yet.")
	w.run("anna", "config", "list", "blog").want(t, ExitDone, "blog has no config.")
	w.run("anna", "receipt", "blog").want(t, ExitNotFound, "nothing of it went live")
	w.run("anna", "logs", "blog").want(t, ExitFailed, "nothing of blog is live yet")
	w.run("anna").want(t, ExitDone, "Exit codes:")
	w.run("anna", "--help").want(t, ExitDone, "Exit codes:")
}
