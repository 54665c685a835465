package store_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/deploy"
	"teal/store"
)

const secret = "correct-horse-battery-staple"

// withSecret is a store that has the secret in an app and in a release.
func withSecret(t *testing.T) fixture {
	t.Helper()
	f := newFixture(t)
	env := map[string]string{"DATABASE_URL": secret}
	must(f.SetEnv(t.Context(), "shop", env, nil))(t)
	must(f.SetBuildSecrets(t.Context(), "shop", env, nil))(t)
	must(f.CreateRelease(t.Context(), deploy.Release{App: "shop", Env: env}))(t)
	return f
}

func TestSecretIsInNoFile(t *testing.T) {
	f := withSecret(t)
	ok(t, f.Backup(t.Context(), filepath.Join(f.dir, "backup.db")))
	search := func() {
		t.Helper()
		for _, entry := range must(os.ReadDir(f.dir))(t) {
			b := must(os.ReadFile(filepath.Join(f.dir, entry.Name())))(t)
			for _, plain := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))[:30]} {
				if bytes.Contains(b, []byte(plain)) {
					t.Errorf("%s holds the secret in the clear", entry.Name())
				}
			}
		}
	}
	search() // with the write-ahead log
	ok(t, f.Close())
	search() // folded into the database
	f.DB = openAt(t, f.dir, f.clock)
	equal(t, "value of the app", f.shop(t).Env["DATABASE_URL"], secret)
	equal(t, "value of the release", must(f.Release(t.Context(), "shop", 1))(t).Env["DATABASE_URL"], secret)
}

func TestSameValueIsSealedDifferentlyEachTime(t *testing.T) {
	f := newFixture(t)
	must(f.SetEnv(t.Context(), "shop", map[string]string{"A": secret, "B": secret}, nil))(t)
	var a, b string
	ok(t, f.QueryRow(t.Context(), `SELECT env ->> 'A', env ->> 'B' FROM apps`, &a, &b))
	if a == b || a == "" {
		t.Errorf("two equal values look alike: %q and %q", a, b)
	}
}

func TestValueMovedToAnotherPlaceDoesNotOpen(t *testing.T) {
	for what, move := range map[string]string{
		"another variable": `UPDATE apps SET env = json_object('LOG_LEVEL', env ->> 'DATABASE_URL') WHERE name = 'shop'`,
		"another app":      `UPDATE apps SET env = (SELECT env FROM apps WHERE name = 'shop') WHERE name = 'blog'`,
	} {
		f := withSecret(t)
		ok(t, f.CreateApp(t.Context(), deploy.App{Name: "blog"}))
		ok(t, f.Exec(t.Context(), move))
		if _, err := f.Apps(t.Context()); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("value moved to %s: error is %v", what, err)
		}
	}
}

func TestKeyIsMadeOnceAndNeverOverwritten(t *testing.T) {
	f := withSecret(t)
	path := filepath.Join(f.dir, "secret.key")
	before := must(os.ReadFile(path))(t)
	equal(t, "length of the key", len(before), 32)
	f.reopen(t)
	if !bytes.Equal(must(os.ReadFile(path))(t), before) {
		t.Error("the key changed at a restart")
	}
	left := must(filepath.Glob(filepath.Join(f.dir, "secret.key-*")))(t)
	equal(t, "files left from making the key", len(left), 0)
}

func TestMissingOrWrongKeyIsRefusedInWords(t *testing.T) {
	wrong := make([]byte, 32)
	rand.Read(wrong)
	for what, spoil := range map[string]func(path string) error{
		"is missing":                   os.Remove,
		"is not the key":               func(path string) error { return os.WriteFile(path, wrong, 0o600) },
		"has 5 bytes instead of 32":    func(path string) error { return os.WriteFile(path, wrong[:5], 0o600) },
		"put it back from your backup": os.Remove,
	} {
		f := withSecret(t)
		ok(t, f.Close())
		path := filepath.Join(f.dir, "secret.key")
		right := must(os.ReadFile(path))(t)
		ok(t, spoil(path))
		_, err := store.Open(t.Context(), config(f.dir, f.clock))
		wantErr(t, err, store.ErrKey)
		if !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), path) {
			t.Errorf("the message does not say %q and %s: %v", what, path, err)
		}
		ok(t, os.WriteFile(path, right, 0o600))
		f.DB = openAt(t, f.dir, f.clock)
		equal(t, "value", f.shop(t).Env["DATABASE_URL"], secret)
	}
}

func TestKeyMayBeReplacedWhileNothingIsSealed(t *testing.T) {
	f := newFixture(t)
	ok(t, f.Close())
	ok(t, os.Remove(filepath.Join(f.dir, "secret.key")))
	f.DB = openAt(t, f.dir, f.clock)
	must(f.SetEnv(t.Context(), "shop", map[string]string{"A": secret}, nil))(t)
	f.reopen(t)
	equal(t, "value", f.shop(t).Env["A"], secret)
}
