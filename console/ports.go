package console

import (
	"context"
	"time"

	"teal/deploy"
)

// Store is what the console reads. All but Sessions is reading only.
type Store interface {
	Sessions
	People
	Apps
	History
	Logbook
}

// Sessions keeps who is logged in. Tokens are secrets of 256 random bits; the
// store keeps their hashes only.
type Sessions interface {
	// RedeemLoginToken gives the user of a one-time token and burns it;
	// deploy.ErrNotFound when it is unknown, used or over.
	RedeemLoginToken(ctx context.Context, token string) (user string, err error)
	// CreateSession opens a session and gives its token.
	CreateSession(ctx context.Context, user string, expires time.Time) (token string, err error)
	// Session gives the session's user; deploy.ErrNotFound when there is none.
	Session(ctx context.Context, token string) (user string, err error)
	// DeleteSession ends it. One that is gone already may be deploy.ErrNotFound.
	DeleteSession(ctx context.Context, token string) error
}

// People tells about users. RightOf only decides which buttons a page shows;
// whether they work is asked of Authorize.
type People interface {
	User(ctx context.Context, name string) (deploy.User, error)
	RightOf(ctx context.Context, user string, app deploy.AppName) (deploy.Right, error)
}

// Apps reads apps.
type Apps interface {
	// AppsOf gives the apps that the user may view: the filter of every page
	// that shows more than one app.
	AppsOf(ctx context.Context, user string) ([]deploy.App, error)
	App(ctx context.Context, name deploy.AppName) (deploy.App, error)
}

// History reads what was deployed.
type History interface {
	Release(ctx context.Context, app deploy.AppName, number int) (deploy.Release, error)
	Deployment(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error)
	// Deployments gives those of an app older than before (0: from the newest), newest first.
	Deployments(ctx context.Context, app deploy.AppName, before deploy.DeploymentID, limit int) ([]deploy.Deployment, error)
}

// Logbook reads what was said.
type Logbook interface {
	// Log gives up to limit lines of a deployment with N > after, oldest first.
	Log(ctx context.Context, id deploy.DeploymentID, after int, limit int) ([]deploy.LogLine, error)
	// Events gives the newest events of an app, newest first.
	Events(ctx context.Context, app deploy.AppName, limit int) ([]deploy.Event, error)
	// Deliveries gives the newest rows of the alert outbox, newest first.
	Deliveries(ctx context.Context, limit int) ([]deploy.Delivery, error)
}

// Engine is what the console asks of the core; see deploy.Engine for each.
type Engine interface {
	Switcher
	Rebuilder
	Feed
	// CronTable gives an app's scheduled commands.
	CronTable(ctx context.Context, app deploy.AppName) ([]deploy.CronEntry, error)
}

// Switcher changes what serves.
type Switcher interface {
	Rollback(ctx context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error)
	Promote(ctx context.Context, app deploy.AppName, by string) (deploy.Deployment, error)
	Cancel(ctx context.Context, app deploy.AppName, id deploy.DeploymentID, by string) (deploy.Deployment, error)
}

// Rebuilder builds the live commit again.
type Rebuilder interface {
	Redeploy(ctx context.Context, app deploy.AppName, o deploy.Options, by string) (deploy.Deployment, error)
	Patch(ctx context.Context, app deploy.AppName) (deploy.Deployment, error)
}

// Feed follows what happens.
type Feed interface {
	Watch(id deploy.DeploymentID) *deploy.Watcher
	Subscribe(app deploy.AppName) *deploy.Subscription
}
