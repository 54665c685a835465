package builder

import (
	"context"

	"teal/deploy"
)

// declare reads what the app says about itself in files that others have thought
// up: Procfile, app.json and CHECKS.
func declare(ctx context.Context, t *tree, s *deploy.Settings) (declared, error) {
	var d declared
	if err := d.readProcfile(ctx, t); err != nil {
		return d, err
	}
	var err error
	t.apt, err = readAptfile(ctx, t)
	return d, err
}
