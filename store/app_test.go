package store_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestAppComesBackAsItWasStored(t *testing.T) {
	f := newFixture(t)
	want := deploy.App{
		Name: "blog", CreatedAt: f.clock.Now(), CreatedBy: "anna", Branch: "release",
		Domains: []string{"a.example.com", "*.b.example.com"}, Env: map[string]string{"KEY": "value", "EMPTY": ""}, BuildSecrets: map[string]string{},
		PatchSchedule: "CRON_TZ=Europe/Paris 0 4 * * *", PatchPinned: true,
	}
	ok(t, f.CreateApp(t.Context(), want))
	slices.Sort(want.Domains)
	for range 2 {
		if got := must(f.App(t.Context(), "blog"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		f.reopen(t)
	}
}

func TestAppNameIsTakenOnce(t *testing.T) {
	f := newFixture(t)
	wantErr(t, f.CreateApp(t.Context(), deploy.App{Name: "shop"}), deploy.ErrExists)
	_, err := f.App(t.Context(), "nope")
	wantErr(t, err, deploy.ErrNotFound)
}

func TestAppThatCannotBeMadeWholeIsNotMade(t *testing.T) {
	f := newFixture(t)
	ok(t, f.AddDomain(t.Context(), "shop", "example.com"))
	err := f.CreateApp(t.Context(), deploy.App{Name: "blog", Domains: []string{"blog.example.com", "example.com"}})
	wantErr(t, err, deploy.ErrExists)
	_, err = f.App(t.Context(), "blog")
	wantErr(t, err, deploy.ErrNotFound)
	ok(t, f.AddDomain(t.Context(), "shop", "blog.example.com"))
}

func TestCreatorBecomesAdminOfTheApp(t *testing.T) {
	f := newFixture(t)
	equal(t, "right of the creator", must(f.RightOf(t.Context(), "anna", "shop"))(t), deploy.Admin)
	for _, nobody := range []string{"", "stranger"} {
		name := deploy.AppName("by-" + nobody + "x")
		ok(t, f.CreateApp(t.Context(), deploy.App{Name: name, CreatedBy: nobody}))
		equal(t, "rights", len(must(f.AccessList(t.Context(), name))(t)), 0)
	}
}

func TestAppsOfShowsWhatTheUserMayView(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "blog"}))
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	names := func(apps []deploy.App) string {
		var all []string
		for _, a := range apps {
			all = append(all, string(a.Name))
		}
		return strings.Join(all, " ")
	}
	equal(t, "all apps", names(must(f.Apps(t.Context()))(t)), "blog shop")
	equal(t, "apps of the admin", names(must(f.AppsOf(t.Context(), "anna"))(t)), "blog shop")
	equal(t, "apps of bob", names(must(f.AppsOf(t.Context(), "bob"))(t)), "")
	ok(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "blog", Right: deploy.Viewer}))
	equal(t, "apps of bob", names(must(f.AppsOf(t.Context(), "bob"))(t)), "blog")
	equal(t, "apps of a stranger", names(must(f.AppsOf(t.Context(), "stranger"))(t)), "")
}

func TestEnvIsSetAndUnsetTogether(t *testing.T) {
	f := newFixture(t)
	app := must(f.SetEnv(t.Context(), "shop", map[string]string{"A": "1", "B": "2", "C": "three\nlines\n"}, nil))(t)
	equal(t, "variables", len(app.Env), 3)
	app = must(f.SetEnv(t.Context(), "shop", map[string]string{"B": "22"}, []string{"A", "NEVER_SET"}))(t)
	want := map[string]string{"B": "22", "C": "three\nlines\n"}
	if !maps.Equal(app.Env, want) || !maps.Equal(f.shop(t).Env, want) {
		t.Errorf("env is %v, want %v", app.Env, want)
	}
	_, err := f.SetEnv(t.Context(), "nope", map[string]string{"A": "1"}, nil)
	wantErr(t, err, deploy.ErrNotFound)
}

func TestEnvThatNoProcessCouldGetIsRefused(t *testing.T) {
	f := newFixture(t)
	for name, value := range map[string]string{"": "x", "1A": "x", "A=B": "x", "A B": "x", "NUL": "a\x00b"} {
		_, err := f.SetEnv(t.Context(), "shop", map[string]string{name: value}, nil)
		wantErr(t, err, deploy.ErrBadName)
	}
	equal(t, "variables", len(f.shop(t).Env), 0)
}

func TestHostBelongsToOneApp(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "blog"}))
	ok(t, f.AddDomain(t.Context(), "shop", "example.com"))
	err := f.AddDomain(t.Context(), "blog", "example.com")
	wantErr(t, err, deploy.ErrExists)
	if strings.Contains(err.Error(), "shop") {
		t.Errorf("the refusal tells the name of the other app: %v", err)
	}
	wantErr(t, f.RemoveDomain(t.Context(), "blog", "example.com"), deploy.ErrNotFound)
	ok(t, f.RemoveDomain(t.Context(), "shop", "example.com"))
	ok(t, f.AddDomain(t.Context(), "blog", "example.com"))
	wantErr(t, f.AddDomain(t.Context(), "nope", "b.example.com"), deploy.ErrNotFound)
}

func TestHostIsALowerCaseDNSName(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("a.", 126) + "com"
	for _, host := range []string{
		"", ".", "*", "*.", "a..b", "-a.com", "a-.com", "A.com", "a_b.com", "a.com.", "a.com:80", "*.*.com", "a.*.com", "*a.com",
		"127.0.0.1", "[::1]", "a com", "a/b", "über.de", strings.Repeat("a", 64) + ".com", long,
	} {
		if err := f.AddDomain(t.Context(), "shop", host); err == nil {
			t.Errorf("%q was taken as a host", host)
		} else {
			wantErr(t, err, deploy.ErrBadName)
		}
	}
	for _, host := range []string{"example.com", "*.example.com", "intranet", "xn--ber-goa.de", "1.example.com", "a-b.c--d.org"} {
		ok(t, f.AddDomain(t.Context(), "shop", host))
	}
}

func TestSettingsOfAnAppAreKept(t *testing.T) {
	f := newFixture(t)
	ok(t, f.SetBranch(t.Context(), "shop", "release"))
	ok(t, f.SetPatchSchedule(t.Context(), "shop", "off"))
	ok(t, f.Stage(t.Context(), "shop", 3))
	app := f.shop(t)
	if app.Branch != "release" || app.PatchSchedule != "off" || app.Staged != 3 {
		t.Errorf("app is %+v", app)
	}
	wantErr(t, f.SetBranch(t.Context(), "nope", "x"), deploy.ErrNotFound)
	wantErr(t, f.SetPatchSchedule(t.Context(), "nope", "off"), deploy.ErrNotFound)
	wantErr(t, f.Stage(t.Context(), "nope", 1), deploy.ErrNotFound)
}

func TestScheduleRemembersTheLastSlotAndWhatItIsATimeOf(t *testing.T) {
	f := newFixture(t)
	if slot, of, err := f.LastSlot(t.Context(), "shop"); !slot.IsZero() || of != "" || err != nil {
		t.Errorf("first slot is %v of %q, %v", slot, of, err)
	}
	paris := time.FixedZone("CET", 3600)
	slot := time.Date(2026, 3, 2, 4, 0, 0, 0, paris)
	ok(t, f.SetSlot(t.Context(), "shop", slot, "0 4 * * *"))
	f.reopen(t)
	if got, of, err := f.LastSlot(t.Context(), "shop"); !got.Equal(slot) || of != "0 4 * * *" || err != nil {
		t.Errorf("slot is %v of %q, %v; want %v", got, of, err, slot)
	}
	_, _, err := f.LastSlot(t.Context(), "nope")
	wantErr(t, err, deploy.ErrNotFound)
	wantErr(t, f.SetSlot(t.Context(), "nope", slot, "@daily"), deploy.ErrNotFound)
}

func TestDeletedAppLeavesNothingButTheAudit(t *testing.T) {
	f := newFixture(t)
	f.release(t)
	r := f.release(t)
	d := f.promote(t, deploy.CausePush, r.Number)
	ok(t, f.AppendLog(t.Context(), d.ID, []deploy.LogLine{{N: 1, Text: "line"}}))
	ok(t, f.AddDomain(t.Context(), "shop", "example.com"))
	failed := f.queued(t, deploy.CausePush)
	failed.State = deploy.Failed
	must(f.UpdateDeployment(t.Context(), failed, "failed", &deploy.Alert{Episode: "e", App: "shop", Deployment: failed.ID}))(t)
	ok(t, f.Audit(t.Context(), "anna", deploy.VerbDestroy, "shop", true))

	ok(t, f.DeleteApp(t.Context(), "shop"))
	wantErr(t, f.DeleteApp(t.Context(), "shop"), deploy.ErrNotFound)
	equal(t, "audit records", len(must(f.AuditLog(t.Context(), 10))(t)), 1)
	equal(t, "events", len(must(f.Events(t.Context(), "", 10))(t)), 0)
	equal(t, "deliveries", len(must(f.Deliveries(t.Context(), 10))(t)), 0)
	equal(t, "log lines", len(must(f.Log(t.Context(), d.ID, 0, 10))(t)), 0)
	equal(t, "open deployments", len(must(f.Open(t.Context()))(t)), 0)
	equal(t, "rights", len(must(f.AccessList(t.Context(), "shop"))(t)), 0)

	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "shop"}))
	ok(t, f.AddDomain(t.Context(), "shop", "example.com"))
	equal(t, "first release of the new app", f.release(t).Number, 1)
	if again := f.queued(t, deploy.CausePush); again.ID <= failed.ID {
		t.Errorf("deployment number %d was given twice", again.ID)
	}
}

func TestBuildSecretsAreSealedAndApartFromTheEnvironment(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "blog"}))
	must(f.SetBuildSecrets(t.Context(), "blog", map[string]string{"TOKEN": "s3cret-value", "OLD": "x"}, nil))(t)
	app := must(f.SetBuildSecrets(t.Context(), "blog", nil, []string{"OLD", "NEVER"}))(t)
	if len(app.BuildSecrets) != 1 || app.BuildSecrets["TOKEN"] != "s3cret-value" || len(app.Env) != 0 {
		t.Errorf("build secrets %v, env %v", app.BuildSecrets, app.Env)
	}
	if _, err := f.SetBuildSecrets(t.Context(), "no-such", nil, nil); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	if _, err := f.SetBuildSecrets(t.Context(), "blog", map[string]string{"../x": "y"}, nil); !errors.Is(err, deploy.ErrBadName) {
		t.Errorf("error is %v", err)
	}
	f.reopen(t)
	app = must(f.App(t.Context(), "blog"))(t)
	if app.BuildSecrets["TOKEN"] != "s3cret-value" {
		t.Errorf("after a restart: %v", app.BuildSecrets)
	}
}
