package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"teal/deploy"
	"teal/store"
)

func TestTrimKeepsTheNewestAndWhatIsOpen(t *testing.T) {
	f := newFixture(t)
	v := f.release(t).Number
	live := f.promote(t, deploy.CausePush, v)
	line := []deploy.LogLine{{N: 1, Text: "line"}}
	ok(t, f.AppendLog(t.Context(), live.ID, line))
	var ended []deploy.DeploymentID
	for range store.KeptLogs + 5 {
		d := f.queued(t, deploy.CausePush)
		ok(t, f.AppendLog(t.Context(), d.ID, line))
		d.State = deploy.Failed
		must(f.UpdateDeployment(t.Context(), d, "failed", nil))(t)
		ended = append(ended, d.ID)
	}
	for i := range store.KeptEvents + 10 {
		ok(t, f.AddEvent(t.Context(), deploy.Event{App: "shop", Text: fmt.Sprint(i)}))
	}
	ok(t, f.AddEvent(t.Context(), deploy.Event{Text: "about no app"}))
	ok(t, f.Audit(t.Context(), "anna", deploy.VerbPush, "shop", true))
	soon := must(f.CreateSession(t.Context(), "anna", f.clock.Now().Add(time.Minute)))(t)
	late := must(f.CreateSession(t.Context(), "anna", f.clock.Now().Add(time.Hour)))(t)
	must(f.CreateLoginToken(t.Context(), "anna", f.clock.Now().Add(time.Minute)))(t)
	f.clock.Advance(2 * time.Minute)
	ok(t, f.Trim(t.Context()))

	lines := func(id deploy.DeploymentID) int { return len(must(f.Log(t.Context(), id, 0, 0))(t)) }
	equal(t, "lines of the live one", lines(live.ID), 1)
	for i, id := range ended {
		want := 1
		if i < 5 {
			want = 0
		}
		equal(t, fmt.Sprintf("lines of deployment %d", id), lines(id), want)
	}
	events := must(f.Events(t.Context(), "shop", 0))(t)
	equal(t, "events", len(events), store.KeptEvents)
	equal(t, "newest event", events[0].Text, fmt.Sprint(store.KeptEvents+9))
	equal(t, "events about no app", must(f.Events(t.Context(), "", 1))(t)[0].Text, "about no app")
	equal(t, "deployments", len(must(f.Deployments(t.Context(), "shop", 0, 0))(t)), store.KeptLogs+6)
	equal(t, "audit records", len(must(f.AuditLog(t.Context(), 0))(t)), 1)
	_, err := f.Session(t.Context(), soon)
	wantErr(t, err, deploy.ErrNotFound)
	must(f.Session(t.Context(), late))(t)
	var tokens int
	ok(t, f.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM sessions) + (SELECT COUNT(*) FROM login_tokens)`, &tokens))
	equal(t, "tokens that are left", tokens, 1)
}

func TestBackupOpensAsAStore(t *testing.T) {
	f := withSecret(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "teal.db")
	ok(t, f.Backup(t.Context(), path))
	equal(t, "mode", must(os.Stat(path))(t).Mode().Perm(), 0o600)
	wantErr(t, f.Backup(t.Context(), path), deploy.ErrExists)
	ok(t, os.WriteFile(filepath.Join(dir, "secret.key"), must(os.ReadFile(filepath.Join(f.dir, "secret.key")))(t), 0o600))
	restored := openAt(t, dir, f.clock)
	app := must(restored.App(t.Context(), "shop"))(t)
	equal(t, "value", app.Env["DATABASE_URL"], secret)
	equal(t, "installation", must(restored.InstallationID(t.Context()))(t), must(f.InstallationID(t.Context()))(t))
	equal(t, "integrity", must(restored.Integrity(t.Context()))(t), "ok")
}

func TestFailedBackupLeavesNoFile(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "backup.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, f.Backup(ctx, path), context.Canceled)
	if _, err := os.Stat(path); err == nil {
		t.Error("half a backup is left")
	}
}

// fill writes logs until there is no space, and gives the lines that were taken.
func fill(t *testing.T, f fixture, d deploy.DeploymentID) (taken int, err error) {
	t.Helper()
	text := strings.Repeat("x", 4000)
	for n := 1; n < 100_000; n++ {
		if err := f.AppendLog(t.Context(), d, []deploy.LogLine{{N: n, Text: text}}); err != nil {
			return n - 1, err
		}
	}
	t.Fatal("the disk never filled up")
	return 0, nil
}

func afterFull(t *testing.T, f fixture, d deploy.Deployment, taken int, err error) {
	t.Helper()
	wantErr(t, err, store.ErrFull)
	for _, part := range []string{f.dir, "what runs keeps serving", "free some space"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the message does not say %q: %v", part, err)
		}
	}
	equal(t, "lines that were acknowledged", len(must(f.Log(t.Context(), d.ID, 0, 0))(t)), taken)
	must(f.App(t.Context(), "shop"))(t) // reading goes on
}

func TestFullDatabaseLosesNothingAndRecovers(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePush)
	must(f.LimitPages(t.Context(), must(f.Pages(t.Context()))(t)+50))(t)
	taken, err := fill(t, f, d.ID)
	afterFull(t, f, d, taken, err)
	must(f.LimitPages(t.Context(), 1_000_000))(t)
	f.queued(t, deploy.CausePush) // without a restart
	equal(t, "integrity", must(f.Integrity(t.Context()))(t), "ok")
}

// The same on a real disk of 2 MiB, for whoever may mount one.
func TestFullDiskLosesNothingAndRecovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	ok(t, os.Mkdir(dir, 0o700))
	if err := unix.Mount("teal-test", dir, "tmpfs", 0, "size=2m"); errors.Is(err, unix.EPERM) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ok(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	f := fixture{dir: dir, clock: newClock()}
	ballast := filepath.Join(dir, "ballast")
	ok(t, os.WriteFile(ballast, make([]byte, 256<<10), 0o600))
	f.DB = openAt(t, dir, f.clock)
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "shop"}))
	d := f.queued(t, deploy.CausePush)
	taken, err := fill(t, f, d.ID)
	afterFull(t, f, d, taken, err)
	ok(t, os.Remove(ballast))
	f.queued(t, deploy.CausePush)
	equal(t, "integrity", must(f.Integrity(t.Context()))(t), "ok")
	ok(t, f.Close())
}
