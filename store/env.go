package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"teal/deploy"
)

var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// SetEnv changes variables of the app's environment and returns the app as it
// is then: unset first, then set. Unsetting what is not there is no error.
// ErrNotFound, and ErrBadName for a name or value that no process could be given.
func (db *DB) SetEnv(ctx context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error) {
	fresh, err := db.sealEnv(app, set)
	if err != nil {
		return deploy.App{}, err
	}
	var changed deploy.App
	err = db.write(ctx, durable, func(t tx) error {
		env := map[string]string{}
		err := t.row(`SELECT env FROM apps WHERE name = ?`, app).Scan(document{&env})
		if errors.Is(err, sql.ErrNoRows) {
			return noApp(app)
		}
		if err != nil {
			return err
		}
		for _, name := range unset {
			delete(env, name)
		}
		for name, sealed := range fresh {
			env[name] = sealed
		}
		if _, err := t.exec(`UPDATE apps SET env = ? WHERE name = ?`, document{env}, app); err != nil {
			return err
		}
		changed, err = db.app(t.ctx, t, app)
		return err
	})
	return changed, err
}

func (db *DB) sealEnv(app deploy.AppName, env map[string]string) (map[string]string, error) {
	sealed := make(map[string]string, len(env))
	for name, value := range env {
		if err := checkVariable(name, value); err != nil {
			return nil, err
		}
		sealed[name] = db.seal(app, name, value)
	}
	return sealed, nil
}

// checkVariable refuses what no process could be given.
func checkVariable(name, value string) error {
	if !varName.MatchString(name) {
		return fmt.Errorf("%w: %q is not a name for a variable: use letters, digits and '_', not beginning with a digit", deploy.ErrBadName, deploy.Clean(name, 60))
	}
	if strings.ContainsRune(value, 0) {
		return fmt.Errorf("%w: the value of %s contains a zero byte", deploy.ErrBadName, name)
	}
	return nil
}

func (db *DB) unsealEnv(app deploy.AppName, sealed map[string]string) (map[string]string, error) {
	env := make(map[string]string, len(sealed))
	for name, s := range sealed {
		value, err := db.unseal(app, name, s)
		if err != nil {
			return nil, err
		}
		env[name] = value
	}
	return env, nil
}
