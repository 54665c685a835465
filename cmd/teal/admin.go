package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"teal/deploy"
	"teal/store"
)

// firstAdmin makes the first user, "admin", when there is none: with the keys of
// AdminKeys, or with those that may already log in to this machine as the user
// who runs teal. It invents no password and no key.
func firstAdmin(ctx context.Context, db *store.DB, c config, log *slog.Logger) error {
	users, err := db.Users(ctx)
	if err != nil || len(users) > 0 {
		return err
	}
	files := []string{c.AdminKeys}
	if c.AdminKeys == "" {
		files = ownKeys()
	}
	var keys []deploy.Key
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			if c.AdminKeys != "" {
				return fmt.Errorf("cannot read the first admin's keys: %w", err)
			}
			continue
		}
		keys = append(keys, parseKeys(b)...)
	}
	if len(keys) == 0 {
		log.Warn("No user yet, and no SSH key to make one from. Add yourself: teal user add NAME --admin --key ~/.ssh/id_ed25519.pub")
		return nil
	}
	if err := addUser(ctx, db, deploy.User{Name: "admin", Admin: true}, keys); err != nil {
		return fmt.Errorf("cannot make the first admin: %w", err)
	}
	for _, k := range keys {
		log.Info("First admin: this key may log in", "user", "admin", "key", k.Fingerprint, "comment", k.Comment)
	}
	return nil
}

// ownKeys are the public keys that belong to the user who runs teal.
func ownKeys() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(home, ".ssh", "id_*.pub"))
	return append([]string{filepath.Join(home, ".ssh", "authorized_keys")}, files...)
}

// parseKeys takes the keys out of an authorized_keys or .pub file; lines that
// are no keys are passed over.
func parseKeys(b []byte) []deploy.Key {
	var keys []deploy.Key
	seen := map[string]bool{}
	for line := range bytes.Lines(b) {
		pub, comment, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil || seen[ssh.FingerprintSHA256(pub)] {
			continue
		}
		seen[ssh.FingerprintSHA256(pub)] = true
		keys = append(keys, deploy.Key{
			Fingerprint: ssh.FingerprintSHA256(pub), Comment: deploy.Clean(comment, 100),
			Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), CreatedAt: time.Now(),
		})
	}
	return keys
}

func addUser(ctx context.Context, db *store.DB, u deploy.User, keys []deploy.Key) error {
	u.CreatedAt = time.Now()
	if err := db.CreateUser(ctx, u); err != nil {
		return err
	}
	for _, k := range keys {
		k.User = u.Name
		if err := db.AddKey(ctx, k); err != nil && !errors.Is(err, deploy.ErrExists) {
			return err
		}
	}
	return nil
}

// userCommand is "teal user …".
type userCommand struct {
	Add userAdd `cmd:"" help:"Add a user with a public key."`
}

type userAdd struct {
	dataFlag
	Name   string `arg:"" help:"User name."`
	Key    string `help:"File with the public key; - reads standard input." default:"-"`
	Email  string `help:"Where alerts go."`
	Admin  bool   `help:"May do everything."`
	Create bool   `help:"May create apps."`
}

// Run adds the user; a user that exists gets the keys.
func (u userAdd) Run(t *terminal) error {
	name, err := deploy.ParseUserName(u.Name)
	if err != nil {
		return err
	}
	b, err := u.read(t.stdin)
	if err != nil {
		return fmt.Errorf("cannot read the key: %w", err)
	}
	keys := parseKeys(b)
	if len(keys) == 0 {
		return errors.New("there is no public key in what was given; it looks like \"ssh-ed25519 AAAA… you@laptop\" and is in a file that ends with .pub")
	}
	dir, err := u.dir()
	if err != nil {
		return err
	}
	db, err := store.Open(t.ctx, store.Config{Dir: dir, Shared: true})
	if err != nil {
		return err
	}
	defer db.Close()
	err = addUser(t.ctx, db, deploy.User{Name: name, Email: u.Email, Admin: u.Admin, MayCreate: u.Admin || u.Create}, keys)
	if errors.Is(err, deploy.ErrExists) {
		return fmt.Errorf("user %s exists already; give more keys with: ssh -p 2222 HOST keys add --user %s", name, name)
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		fmt.Fprintf(t.stdout, "%s may log in with %s\n", name, k.Fingerprint)
	}
	return nil
}

func (u userAdd) read(stdin io.Reader) ([]byte, error) {
	if u.Key == "-" {
		return io.ReadAll(io.LimitReader(stdin, 1<<20))
	}
	return os.ReadFile(u.Key)
}

// backupCommand is "teal backup FILE".
type backupCommand struct {
	dataFlag
	File string `arg:"" help:"File to write; it must not exist."`
}

// Run writes the copy.
func (b backupCommand) Run(t *terminal) error {
	dir, err := b.dir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "teal.db")); err != nil {
		return fmt.Errorf("there is no database of Teal in %s: say where it is with --data", dir)
	}
	db, err := store.Open(t.ctx, store.Config{Dir: dir, Shared: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Backup(t.ctx, b.File); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "The database is in %s. Keep %s with it: without that key its secrets can't be read.\n", b.File, filepath.Join(dir, "secret.key"))
	return err
}
