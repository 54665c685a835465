package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"

	"teal/deploy"
)

// secretPurpose is part of what a build secret is sealed for, so that it can't
// be passed off as a variable of the environment, which running apps see.
const secretPurpose = "build secret "

// SetBuildSecrets changes the app's build secrets and returns the app as it is
// then: unset first, then set. Unsetting what is not there is no error.
// ErrNotFound, and ErrBadName as for SetEnv.
func (db *DB) SetBuildSecrets(ctx context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error) {
	fresh, err := db.sealBuildSecrets(app, set)
	if err != nil {
		return deploy.App{}, err
	}
	var changed deploy.App
	err = db.write(ctx, durable, func(t tx) error {
		secrets := map[string]string{}
		err := t.row(`SELECT build_secrets FROM apps WHERE name = ?`, app).Scan(document{&secrets})
		if errors.Is(err, sql.ErrNoRows) {
			return noApp(app)
		}
		if err != nil {
			return err
		}
		for _, name := range unset {
			delete(secrets, name)
		}
		maps.Copy(secrets, fresh)
		if _, err := t.exec(`UPDATE apps SET build_secrets = ? WHERE name = ?`, document{secrets}, app); err != nil {
			return err
		}
		changed, err = db.app(t.ctx, t, app)
		return err
	})
	return changed, err
}

func (db *DB) sealBuildSecrets(app deploy.AppName, secrets map[string]string) (map[string]string, error) {
	sealed := make(map[string]string, len(secrets))
	for name, value := range secrets {
		if err := checkVariable(name, value); err != nil {
			return nil, err
		}
		sealed[name] = db.seal(app, secretPurpose+name, value)
	}
	return sealed, nil
}

func (db *DB) unsealBuildSecrets(app deploy.AppName, sealed map[string]string) (map[string]string, error) {
	secrets := make(map[string]string, len(sealed))
	for name, s := range sealed {
		value, err := db.unseal(app, secretPurpose+name, s)
		if err != nil {
			return nil, err
		}
		secrets[name] = value
	}
	return secrets, nil
}
