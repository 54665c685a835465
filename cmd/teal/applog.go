package main

import (
	"context"
	"io"
	"time"

	"teal/deploy"
)

// logs writes the app's own output with its secrets taken out.
func (d *daemonParts) logs(ctx context.Context, app deploy.AppName, follow bool, lines int, w io.Writer) error {
	clean, err := d.redactor(ctx, app)
	if err != nil {
		return err
	}
	r := &redactingWriter{w: w, clean: clean, at: time.Now(), again: func() (func(string) string, error) { return d.redactor(ctx, app) }}
	return d.runtime.Logs(ctx, app, follow, lines, r)
}

// redactor hides the values of the app's environment as it is, and as the
// releases have it that may still run.
func (d *daemonParts) redactor(ctx context.Context, name deploy.AppName) (func(string) string, error) {
	app, err := d.db.App(ctx, name)
	if err != nil {
		return nil, err
	}
	envs := []map[string]string{app.Env}
	for _, number := range []int{app.Live, app.Previous, app.Staged} {
		if number == 0 {
			continue
		}
		r, err := d.db.Release(ctx, name, number)
		if err != nil {
			return nil, err
		}
		envs = append(envs, r.Env)
	}
	return deploy.Redactor(envs...), nil
}

// redactEvery is how often a follower learns of an environment that changed.
const redactEvery = 5 * time.Second

// redactingWriter takes secrets out of lines: the runtime writes whole ones.
type redactingWriter struct {
	w     io.Writer
	clean func(string) string
	at    time.Time
	again func() (func(string) string, error)
}

func (r *redactingWriter) Write(p []byte) (int, error) {
	if time.Since(r.at) > redactEvery {
		clean, err := r.again()
		if err != nil {
			return 0, err // rather no log than one with a secret in it
		}
		r.clean, r.at = clean, time.Now()
	}
	if _, err := io.WriteString(r.w, r.clean(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
