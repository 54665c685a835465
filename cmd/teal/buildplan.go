package main

import (
	"context"

	"teal/deploy"
)

// buildPlan gives the Dockerfile that a build of the app's commit would go by.
func (d *daemonParts) buildPlan(ctx context.Context, name deploy.AppName, commit string) (string, error) {
	app, err := d.db.App(ctx, name)
	if err != nil {
		return "", err
	}
	source, err := d.repos.Source(ctx, name, commit)
	if err != nil {
		return "", err
	}
	defer source.Close()
	defaults, err := d.App.settings()
	if err != nil {
		return "", err
	}
	p, err := d.builder.Preview(ctx, previewOf(source, defaults, app))
	if err != nil {
		return "", err
	}
	if p.Path != "" {
		// A comment before a syntax line would take its effect away.
		return p.Dockerfile, nil
	}
	return p.Text(), nil
}

func previewOf(source deploy.Source, defaults deploy.Settings, app deploy.App) deploy.BuildRequest {
	req := deploy.BuildRequest{App: app.Name, Source: source, Defaults: defaults}
	for key := range app.Env {
		req.Env = append(req.Env, key)
	}
	return req
}
