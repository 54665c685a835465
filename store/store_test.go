package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/store"
)

func TestSecondDaemonIsRefusedAndToldByWhom(t *testing.T) {
	f := newFixture(t)
	_, err := store.Open(t.Context(), config(f.dir, f.clock))
	wantErr(t, err, store.ErrLocked)
	for _, part := range []string{f.dir, fmt.Sprintf("pid %d", os.Getpid()), "stop it first"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the message does not say %q: %v", part, err)
		}
	}
	f.reopen(t) // after Close the next one may
}

func TestSharedCommandWorksBesideTheDaemon(t *testing.T) {
	f := newFixture(t)
	c := config(f.dir, f.clock)
	c.Shared = true
	beside, err := store.Open(t.Context(), c)
	ok(t, err)
	ok(t, beside.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	ok(t, beside.Close())
	_, err = f.User(t.Context(), "bob")
	ok(t, err)
}

func TestSharedCommandMakesTheDatabaseBeforeTheFirstDaemon(t *testing.T) {
	c := config(t.TempDir(), newClock())
	c.Shared = true
	db, err := store.Open(t.Context(), c)
	ok(t, err)
	ok(t, db.CreateUser(t.Context(), deploy.User{Name: "anna", Admin: true}))
	ok(t, db.Close())
	ok(t, db.Close())
	_, err = openAt(t, c.Dir, newClock()).User(t.Context(), "anna")
	ok(t, err)
}

func TestSharedCommandDoesNotMigrateUnderADaemon(t *testing.T) {
	f := newFixture(t)
	ok(t, f.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id > 0`))
	c := config(f.dir, f.clock)
	c.Shared = true
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := store.Open(ctx, c)
	wantErr(t, err, store.ErrLocked)
	if !strings.Contains(err.Error(), "schema must change first") {
		t.Error(err)
	}
}

func TestSharedCommandWaitsWhileTheDaemonMigrates(t *testing.T) {
	f := newFixture(t)
	ok(t, f.Exec(t.Context(), `UPDATE goose_db_version SET version_id = -version_id`)) // as if nothing was done yet
	c := config(f.dir, f.clock)
	c.Shared = true
	opened := make(chan error, 1)
	go func() {
		db, err := store.Open(t.Context(), c)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	ok(t, f.Exec(t.Context(), `UPDATE goose_db_version SET version_id = -version_id`))
	ok(t, <-opened)
}

func TestDatabaseOfANewerTealIsRefused(t *testing.T) {
	f := newFixture(t)
	ok(t, f.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`))
	ok(t, f.Close())
	_, err := store.Open(t.Context(), config(f.dir, f.clock))
	wantErr(t, err, store.ErrNewer)
	if !strings.Contains(err.Error(), "schema 99") || !strings.Contains(err.Error(), "install the newer teal") {
		t.Error(err)
	}
}

func TestDamagedDatabaseIsRefusedInWords(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, "teal.db"), []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err := store.Open(t.Context(), config(dir, newClock()))
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("error is %v", err)
	}
}

func TestFilesAreReadableByTheirOwnerOnly(t *testing.T) {
	f := newFixture(t)
	equal(t, "mode of the directory", must(os.Stat(f.dir))(t).Mode().Perm(), 0o700)
	for _, entry := range must(os.ReadDir(f.dir))(t) {
		info, err := entry.Info()
		ok(t, err)
		equal(t, "mode of "+entry.Name(), info.Mode().Perm(), 0o600)
	}
}

func TestPathMayHoldAnyCharacter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=%20&d#e")
	openAt(t, dir, newClock())
	if _, err := os.Stat(filepath.Join(dir, "teal.db")); err != nil {
		t.Fatal(err)
	}
}

func TestInstallationIDIsMadeOnce(t *testing.T) {
	f := newFixture(t)
	id := must(f.InstallationID(t.Context()))(t)
	if !regexp.MustCompile(`^[a-z0-9]{12}$`).MatchString(id) {
		t.Errorf("installation id is %q", id)
	}
	f.reopen(t)
	equal(t, "id after a restart", must(f.InstallationID(t.Context()))(t), id)
	if other := must(newFixture(t).InstallationID(t.Context()))(t); other == id {
		t.Error("two installations have the same id")
	}
}

func TestCanceledWriteStoresNothing(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, f.CreateUser(ctx, deploy.User{Name: "bob"}), context.Canceled)

	release := f.HoldTurn()
	waiting, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantErr(t, f.CreateUser(waiting, deploy.User{Name: "bob"}), context.DeadlineExceeded)
	release()
	_, err := f.User(t.Context(), "bob")
	wantErr(t, err, deploy.ErrNotFound)
}

func TestClosedStoreAnswersWithAnError(t *testing.T) {
	f := newFixture(t)
	ok(t, f.Close())
	if err := f.CreateUser(t.Context(), deploy.User{Name: "bob"}); err == nil {
		t.Error("a write to a closed store gave no error")
	}
	if _, err := f.Users(t.Context()); err == nil {
		t.Error("a read of a closed store gave no error")
	}
}

func TestManyWritersAndReadersLoseNothing(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePush)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				line := deploy.LogLine{N: w*each + i + 1, At: f.clock.Now(), Text: "line"}
				if err := f.AppendLog(t.Context(), d.ID, []deploy.LogLine{line}); err != nil {
					t.Error(err)
				}
				if _, err := f.CreateRelease(t.Context(), deploy.Release{App: "shop"}); err != nil {
					t.Error(err)
				}
				if _, err := f.App(t.Context(), "shop"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "lines", len(must(f.Log(t.Context(), d.ID, 0, 0))(t)), writers*each)
	releases := must(f.Releases(t.Context(), "shop"))(t)
	equal(t, "releases", len(releases), writers*each)
	equal(t, "newest release", releases[0].Number, writers*each)
	equal(t, "integrity", must(f.Integrity(t.Context()))(t), "ok")
}
