package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"teal/deploy"
)

const keySize = 32 // AES-256

// unlockSecrets reads secret.key, or makes it at the first start, and checks
// that it is the one that the values in the database were sealed with.
func (db *DB) unlockSecrets(ctx context.Context) error {
	path := filepath.Join(db.dir, "secret.key")
	sealed, err := db.sealedValues(ctx)
	if err != nil {
		return err
	}
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if sealed {
			return fmt.Errorf("%w: %s is missing, and the env values of apps in the database cannot be read without it: put it back from your backup", ErrKey, path)
		}
		key, err = makeKey(path)
	}
	if err != nil {
		return err
	}
	if db.aead, err = newAEAD(key); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		db.log.Warn("the secret key can be read by other users of this machine: chmod 600 it", "path", path)
	}
	return db.checkKey(ctx, path, sealed)
}

// sealedValues tells whether anything in the database needs the key.
func (db *DB) sealedValues(ctx context.Context) (some bool, err error) {
	err = db.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM apps WHERE env <> '{}' OR build_secrets <> '{}')
		    OR EXISTS (SELECT 1 FROM releases WHERE env <> '{}')`).Scan(&some)
	return some, db.explain(err)
}

func readKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%w: %s has %d bytes instead of %d: put it back from your backup", ErrKey, path, len(key), keySize)
	}
	return key, nil
}

// makeKey writes a new key beside the path and links it in: a key that is
// there already, made by another process just now, is taken and never overwritten.
func makeKey(path string) ([]byte, error) {
	fresh, err := os.CreateTemp(filepath.Dir(path), "secret.key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("cannot make the secret key: %w", err)
	}
	defer os.Remove(fresh.Name()) //nolint:errcheck // the next start does not look at it
	key := make([]byte, keySize)
	rand.Read(key) //nolint:errcheck // never fails
	_, err = fresh.Write(key)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return nil, fmt.Errorf("cannot make the secret key: %w", err)
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make the secret key: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("cannot make the secret key: %w", err)
	}
	return readKey(path)
}

// syncDir makes a new name in the directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// checkKey opens the check value that the first start sealed.
func (db *DB) checkKey(ctx context.Context, path string, needed bool) error {
	const name = "key check"
	check, err := db.meta(ctx, name, func() (string, error) { return db.seal("", name, name), nil })
	if err != nil {
		return err
	}
	if _, err := db.unseal("", name, check); err == nil {
		return nil
	}
	if needed {
		return fmt.Errorf("%w: %s is not the key that the env values in the database were sealed with: put the right one back from your backup", ErrKey, path)
	}
	return db.write(ctx, durable, func(t tx) error {
		_, err := t.exec(`UPDATE meta SET value = ? WHERE name = ?`, db.seal("", name, name), name)
		return err
	})
}

// seal encrypts a value for one place: the variable name of the app.
func (db *DB) seal(app deploy.AppName, name, value string) string {
	return base64.RawStdEncoding.EncodeToString(db.aead.Seal(nil, nil, []byte(value), place(app, name)))
}

func (db *DB) unseal(app deploy.AppName, name, sealed string) (string, error) {
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("%s of app %s is damaged: %w", name, app, err)
	}
	value, err := db.aead.Open(nil, nil, b, place(app, name))
	if err != nil {
		return "", fmt.Errorf("%s of app %s cannot be opened with the secret key: %w", name, app, err)
	}
	return string(value), nil
}

func place(app deploy.AppName, name string) []byte {
	return []byte("teal env\x00" + string(app) + "\x00" + name)
}
