package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"teal/builder"
	"teal/deploy"
)

// keepHouse is what is done once a day.
func (d *daemonParts) keepHouse(ctx context.Context) error {
	return errors.Join(d.db.Trim(ctx), refreshBases(ctx, d.builder.Stack(), d.db.AddEvent, d.log))
}

// baseImages are those of builder.Stack.
type baseImages interface {
	Refresh(ctx context.Context, log io.Writer) (changed bool, err error)
	List(ctx context.Context) ([]builder.StackImage, error)
}

// refreshBases looks for newer parts of every base image that is there, whether an
// app that is patched stands on it or not: the next push builds on them. When that
// fails, the apps on them have an event.
func refreshBases(ctx context.Context, bases baseImages, tell func(context.Context, deploy.Event) error, log *slog.Logger) error {
	changed, err := bases.Refresh(ctx, io.Discard)
	if changed {
		log.Info("Base images were refreshed")
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, deploy.ErrEngineAway) {
		return err
	}
	images, listErr := bases.List(ctx)
	why := deploy.Clean(strings.ReplaceAll(err.Error(), "\n", "; "), 300)
	errs := []error{fmt.Errorf("%w (as root, sudo teal stack refresh may do it)", err), listErr}
	for _, app := range appsOn(images) {
		told := tell(ctx, deploy.Event{App: app, Text: "not all base images could be refreshed, those that are here stay: " + why})
		if !errors.Is(told, deploy.ErrNotFound) { // an app that was destroyed, whose image is still here
			errs = append(errs, told)
		}
	}
	return errors.Join(errs...)
}

// appsOn are the apps that stand on base images, each once.
func appsOn(images []builder.StackImage) (apps []deploy.AppName) {
	for _, i := range images {
		for _, app := range i.Apps {
			if name := deploy.AppName(app); !slices.Contains(apps, name) {
				apps = append(apps, name)
			}
		}
	}
	return apps
}

// checkHold warns when nothing keeps builds off the apps.
func (d *daemonParts) checkHold(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := d.builder.CheckHold(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("Builds are not held back, apps may feel them: let Teal write the control groups, see 'Builds beside apps' in docs/OPERATING.md", "error", err)
	}
}
