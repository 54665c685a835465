package commands

import (
	"context"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

// leaves gives every command that can be run, by its path.
func leaves() map[string]*command {
	all := map[string]*command{}
	for g := range table {
		for r := range table[g].rows {
			row := &table[g].rows[r]
			if row.subs == nil {
				all[row.name] = row
			}
			for s := range row.subs {
				all[row.name+" "+row.subs[s].name] = &row.subs[s]
			}
		}
	}
	return all
}

func TestEveryCommandSaysWhatMustBeAuthorized(t *testing.T) {
	// These need no verb; whoever adds one here has thought about it.
	free := []string{"apps", "alerts", "stack", "whoami", "login", "help", "version", "keys list", "keys add", "keys remove"}
	for path, row := range leaves() {
		t.Run(path, func(t *testing.T) {
			switch row.scope {
			case oneApp, newApp, someApps, server:
				if row.verb == "" {
					t.Error("the row has no verb")
				}
			case self, anyone:
				if row.verb != "" || row.verbToSet != "" || !slices.Contains(free, path) {
					t.Errorf("the row needs no verb, but is not one of %q", free)
				}
			default:
				t.Error("the row has no scope")
			}
			for _, v := range []deploy.Verb{row.verb, row.verbToSet, row.verbForOthers} {
				if _, known := deeds[v]; v != "" && !known {
					t.Errorf("verb %q has no words", v)
				}
			}
			if (row.verbForOthers != "") != slices.ContainsFunc(row.options, func(o option) bool { return o.name == "user" }) {
				t.Error("--user and verbForOthers come together")
			}
		})
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	for path, row := range leaves() {
		if row.run == nil || row.short == "" || len(row.examples) == 0 {
			t.Errorf("%s: run, one line of help and an example must be there", path)
		}
		for _, e := range row.examples {
			e = strings.TrimPrefix(e, `"`)
			if !strings.HasPrefix(e, path) && !slices.ContainsFunc(row.aliases, func(a string) bool { return strings.HasPrefix(e, a) }) {
				t.Errorf("%s: the example %q shows something else", path, e)
			}
		}
		if strings.HasSuffix(row.short, ".") || len(row.short) > 70 {
			t.Errorf("%s: %q is not one short line", path, row.short)
		}
		seen := map[string]bool{}
		for _, o := range row.allOptions() {
			if seen[o.name] || o.short != "" && seen["-"+o.short] {
				t.Errorf("%s: option %s is there twice", path, o.typed())
			}
			seen[o.name], seen["-"+o.short] = true, true
		}
	}
}

func TestHelpNamesWhoMay(t *testing.T) {
	// Who may is written in deeds for people; Authorize must agree.
	who := map[string]string{
		"viewers of the app": "vera", "deployers of the app": "dora", "admins of the app": "anna",
		"users who may create apps": "anna", "administrators of this Teal": "root",
	}
	below := map[string]string{"vera": "nick", "dora": "vera", "anna": "dora", "root": "anna"}
	for verb, d := range deeds {
		w, app := newWorld(t), deploy.AppName("shop")
		if verb == deploy.VerbUsers {
			app = ""
		}
		least := who[d.who]
		if err := deploy.Authorize(context.Background(), w, least, verb, app); err != nil {
			t.Errorf("%s: help says that %s may: %v", verb, d.who, err)
		}
		if err := deploy.Authorize(context.Background(), w, below[least], verb, app); err == nil {
			t.Errorf("%s: help says that only %s may, but %s may too", verb, d.who, below[least])
		}
	}
}

// matrix is who may run what, as people are told: the least right for every command.
var matrix = []struct {
	args []string
	// least is the user with the least power who may; all above may too.
	least string
}{
	{[]string{"help"}, "nobody"},
	{[]string{"version"}, "nobody"},
	{[]string{"apps"}, "nick"},
	{[]string{"ps"}, "nick"},
	{[]string{"alerts"}, "nick"},
	{[]string{"stack"}, "nick"},
	{[]string{"whoami"}, "nick"},
	{[]string{"login"}, "nick"},
	{[]string{"keys", "list"}, "nick"},
	{[]string{"keys", "add", testKey}, "nick"},
	{[]string{"ps", "shop"}, "vera"},
	{[]string{"logs", "shop"}, "vera"},
	{[]string{"releases", "shop"}, "vera"},
	{[]string{"deployments", "shop"}, "vera"},
	{[]string{"receipt", "shop"}, "vera"},
	{[]string{"sbom", "shop"}, "vera"},
	{[]string{"build-plan", "shop"}, "vera"},
	{[]string{"domains", "list", "shop"}, "vera"},
	{[]string{"branch", "shop"}, "vera"},
	{[]string{"schedule", "shop"}, "vera"},
	{[]string{"cron", "shop"}, "vera"},
	{[]string{"cron", "shop", "--log", "nightly"}, "vera"},
	{[]string{"access", "list", "shop"}, "vera"},
	{[]string{"rollback", "shop"}, "dora"},
	{[]string{"restart-previous", "shop"}, "dora"},
	{[]string{"promote", "shop"}, "dora"},
	{[]string{"redeploy", "shop"}, "dora"},
	{[]string{"cancel", "shop"}, "dora"},
	{[]string{"patch", "shop"}, "dora"},
	{[]string{"cron", "shop", "run", "nightly"}, "dora"},
	{[]string{"config", "list", "shop"}, "dora"},
	{[]string{"config", "set", "shop", "A=b"}, "dora"},
	{[]string{"config", "unset", "shop", "LOG_LEVEL"}, "dora"},
	{[]string{"build-secrets", "list", "shop"}, "dora"},
	{[]string{"build-secrets", "set", "shop", "A=b"}, "dora"},
	{[]string{"build-secrets", "unset", "shop", "OLD_TOKEN"}, "dora"},
	{[]string{"domains", "add", "shop", "a.test"}, "anna"},
	{[]string{"domains", "remove", "shop", "www.shop.test"}, "anna"},
	{[]string{"branch", "shop", "next"}, "anna"},
	{[]string{"branch", "shop", "-"}, "anna"},
	{[]string{"schedule", "shop", "off"}, "anna"},
	{[]string{"access", "grant", "shop", "nick", "viewer"}, "anna"},
	{[]string{"access", "revoke", "shop", "vera"}, "anna"},
	{[]string{"destroy", "shop", "shop"}, "anna"},
	{[]string{"create", "new"}, "anna"},
	{[]string{"users", "list"}, "root"},
	{[]string{"users", "add", "zoe"}, "root"},
	{[]string{"users", "set", "nick", "--create"}, "root"},
	{[]string{"users", "remove", "nick"}, "root"},
	{[]string{"audit"}, "root"},
	{[]string{"keys", "list", "--user", "vera2"}, "root"},
	{[]string{"keys", "add", "--user", "vera2", testKey}, "root"},
	{[]string{"keys", "remove", "--user", "vera2", "SHA256:vera2"}, "root"},
}

func TestOnlyThoseWhoMayDo(t *testing.T) {
	order := []string{"nobody", "nick", "vera", "dora", "anna", "root"}
	tested := map[string]bool{}
	for _, m := range matrix {
		for _, user := range order {
			w := newWorld(t)
			w.users["vera2"] = deploy.User{Name: "vera2"}
			w.keys = append(w.keys, deploy.Key{User: "vera2", Fingerprint: "SHA256:vera2"})
			w.begin(deploy.Deployment{Cause: deploy.CauseRedeploy}, func(d *deploy.Deployment) { d.State = deploy.Live })
			if m.args[0] == "cancel" {
				w.waited.State = deploy.Canceled
			}
			before := len(w.calls)
			r := w.run(user, m.args...)
			may := slices.Index(order, user) >= slices.Index(order, m.least)
			if may && r.exit != ExitDone {
				t.Errorf("%s may %q, but it ended with %d: %s", user, m.args, r.exit, r.err)
			}
			if !may && r.exit != ExitDenied && r.exit != ExitNotFound {
				t.Errorf("%s may not %q, but it ended with %d", user, m.args, r.exit)
			}
			if !may && (len(w.calls) != before || r.out != "") {
				t.Errorf("%q was refused to %s, and still did or said something: %q %s", m.args, user, w.calls, r.out)
			}
		}
		row, path, _ := newWorld(t).set.find(m.args)
		if row == nil {
			t.Fatalf("%q is no command", m.args)
		}
		tested[path] = true
	}
	for path := range leaves() {
		if !tested[path] && path != "keys remove" {
			t.Errorf("%s is not in the matrix", path)
		}
	}
}

func TestHiddenAndMissingAppsAreToldInTheSameWords(t *testing.T) {
	w := newWorld(t)
	hidden := w.run("nick", "ps", "blog")
	delete(w.apps, "blog")
	missing := w.run("nick", "ps", "blog")
	hidden.want(t, ExitNotFound, "there is no app blog that you may see")
	if hidden != missing {
		t.Errorf("hidden: %+v\nmissing: %+v", hidden, missing)
	}
	w.run("root", "ps", "blog").want(t, ExitNotFound, "there is no app blog that you may see")
	w.run("root", "ps", "shp").want(t, ExitNotFound, "did you mean shop?", "next: ssh -p 2222 teal.example.com apps")
}

func TestRefusalNamesWhoCouldAllowIt(t *testing.T) {
	w := newWorld(t)
	w.run("vera", "rollback", "shop").want(t, ExitDenied, "vera may not deploy shop", "ask an administrator of shop: anna")
	w.run("dora", "create", "other").want(t, ExitDenied, "dora may not create apps", "ask an administrator of this Teal")
	w.run("anna", "users", "list").want(t, ExitDenied, "anna may not manage users")
	w.run("ghost", "apps").want(t, ExitDenied, "ghost is not a user of this Teal")
	w.asked()
}

func TestNothingRunsWhenTheAuditRecordCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	w.broken["Audit"] = deploy.ErrConflict
	if r := w.run("anna", "rollback", "shop"); r.exit == ExitDone {
		t.Error("a rollback went through without an audit record")
	}
	w.asked()
}
