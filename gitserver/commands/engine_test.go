package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"teal/deploy"
)

func (w *world) ask(format string, a ...any) (deploy.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	call := fmt.Sprintf(format, a...)
	w.calls = append(w.calls, call)
	verb, _, _ := strings.Cut(call, " ")
	return w.begun, w.broken[verb]
}

func (w *world) Rollback(_ context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error) {
	return w.ask("rollback %s %d by %s", app, release, by)
}

func (w *world) RollbackAcross(_ context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error) {
	delete(w.broken, "rollback")
	return w.ask("rollback across %s %d by %s", app, release, by)
}

func (w *world) Redeploy(_ context.Context, app deploy.AppName, o deploy.Options, by string) (deploy.Deployment, error) {
	return w.ask("redeploy %s cache=%v by %s", app, !o.NoCache, by)
}

func (w *world) Reconfigure(ctx context.Context, app deploy.AppName, by string) (deploy.Deployment, error) {
	if ctx.Err() != nil {
		return deploy.Deployment{}, ctx.Err()
	}
	return w.ask("reconfigure %s by %s", app, by)
}

func (w *world) Patch(_ context.Context, app deploy.AppName) (deploy.Deployment, error) {
	return w.ask("patch %s", app)
}

func (w *world) Promote(_ context.Context, app deploy.AppName, by string) (deploy.Deployment, error) {
	return w.ask("promote %s by %s", app, by)
}

func (w *world) Cancel(_ context.Context, app deploy.AppName, _ deploy.DeploymentID, by string) (deploy.Deployment, error) {
	if d, err := w.ask("cancel %s by %s", app, by); err != nil {
		return d, err
	}
	return w.waited, nil
}

func (w *world) Destroy(ctx context.Context, app deploy.AppName, by string) error {
	_, err := w.ask("destroy %s by %s", app, by)
	return errors.Join(err, ctx.Err())
}

func (w *world) Reroute(ctx context.Context, app deploy.AppName) error {
	_, err := w.ask("reroute %s", app)
	return errors.Join(err, ctx.Err())
}

func (w *world) Wait(ctx context.Context, id deploy.DeploymentID, _ time.Duration) (deploy.Deployment, error) {
	select {
	case <-w.settled:
	case <-ctx.Done():
		return deploy.Deployment{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waited.ID == id {
		return w.waited, w.broken["Wait"]
	}
	return w.Deployment(ctx, id)
}

func (w *world) Watch(deploy.DeploymentID) *deploy.Watcher { return nil }

func (w *world) Inventory(ctx context.Context, app deploy.AppName, release int) (deploy.Release, deploy.Inventory, error) {
	if release == 0 {
		release = w.apps[app].Live
	}
	r, err := w.Release(ctx, app, release)
	if err != nil {
		return r, deploy.Inventory{}, err
	}
	return r, deploy.Inventory{
		System: "Debian GNU/Linux 12 (bookworm)", Distro: "debian", Codename: "bookworm",
		Packages: []deploy.Package{
			{Kind: deploy.PackageDeb, Name: "libssl3", Version: "3.0.15-1", Arch: "amd64", Source: "openssl"},
			{Kind: deploy.PackageNPM, Name: "express", Version: "4.19.2"},
		},
		Unknown: []string{"the rpm database has a format that Teal can't read"},
	}, w.broken["inventory"]
}

func (w *world) PlanPatch(_ context.Context, app deploy.AppName) (deploy.PatchPlan, error) {
	live := deploy.Release{App: app, Number: w.apps[app].Live}
	return deploy.PatchPlan{Live: live, Pending: w.pending, Held: w.held}, w.broken["plan"]
}

func (w *world) CronTable(_ context.Context, app deploy.AppName) ([]deploy.CronEntry, error) {
	if app != "shop" {
		return nil, w.broken["CronTable"]
	}
	return []deploy.CronEntry{
		{App: app, Release: 14, CronJob: deploy.CronJob{Name: "nightly", Schedule: "30 3 * * *", Argv: []string{"bin/clean"}, Timeout: time.Hour}, Last: deploy.CronRecord{
			Begun: noon.Add(-9 * time.Hour), Ended: noon.Add(-9*time.Hour + 90*time.Second), Release: 14, Outcome: deploy.CronFailed,
			Exit: deploy.Exit{Code: 3}, Reason: "exit code 3", Output: []string{"no such \x1b[31mtable"},
		}},
		{App: app, Release: 14, CronJob: deploy.CronJob{Name: "after", Schedule: deploy.CronDeploy, Argv: []string{"bin/after"}, Timeout: time.Hour}},
		{App: app, Release: 14, CronJob: deploy.CronJob{Name: "seed", Schedule: deploy.CronManual, Argv: []string{"bin/seed"}, Timeout: time.Hour}},
	}, w.broken["CronTable"]
}

func (w *world) CronRun(_ context.Context, app deploy.AppName, name, by string, out io.Writer) (deploy.CronRecord, error) {
	w.calls = append(w.calls, fmt.Sprintf("run %s %s by %s", app, name, by))
	fmt.Fprintln(out, "clean \x1b[2J now")
	return deploy.CronRecord{Name: name, Begun: noon, Ended: noon.Add(2 * time.Second), Release: 14, Outcome: deploy.CronOK}, w.broken["CronRun"]
}
