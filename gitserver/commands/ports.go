package commands

import (
	"context"
	"io"
	"time"

	"teal/deploy"
)

// Store is what the commands read and change. Met by the store.
type Store interface {
	deploy.Directory
	Apps
	Settings
	Schedules
	History
	Releases
	Users
	Keys
	Rights
	Console
}

// Apps finds and makes apps.
type Apps interface {
	// App gives one app; deploy.ErrNotFound.
	App(ctx context.Context, name deploy.AppName) (deploy.App, error)
	// AppsOf gives the apps that the user may view, by name.
	AppsOf(ctx context.Context, user string) ([]deploy.App, error)
	// CreateApp stores a new app and makes its creator admin of it; deploy.ErrExists.
	CreateApp(ctx context.Context, app deploy.App) error
}

// Settings changes what an app is served with.
type Settings interface {
	// SetEnv changes the app's environment in one step and returns the app as it then is.
	SetEnv(ctx context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error)
	// SetBuildSecrets does the same for the app's build secrets.
	SetBuildSecrets(ctx context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error)
	// AddDomain adds a host; deploy.ErrExists when any app has it, deploy.ErrBadName when it is no host.
	AddDomain(ctx context.Context, app deploy.AppName, host string) error
	// RemoveDomain removes a host; deploy.ErrNotFound.
	RemoveDomain(ctx context.Context, app deploy.AppName, host string) error
	// SetBranch sets the branch that deploys; "" for main or master.
	SetBranch(ctx context.Context, app deploy.AppName, branch string) error
}

// Schedules changes when an app is patched.
type Schedules interface {
	// SetPatchSchedule sets a cron expression, "off", or "" for the server's default.
	SetPatchSchedule(ctx context.Context, app deploy.AppName, spec string) error
}

// History is what happened, and what alerts went out about it.
type History interface {
	// Deployment gives one; deploy.ErrNotFound.
	Deployment(ctx context.Context, id deploy.DeploymentID) (deploy.Deployment, error)
	// Deployments gives at most limit of an app's, newest first, with IDs below before (0: from the newest).
	Deployments(ctx context.Context, app deploy.AppName, before deploy.DeploymentID, limit int) ([]deploy.Deployment, error)
	// Log gives at most limit lines of a deployment's log with numbers above after, in order.
	Log(ctx context.Context, id deploy.DeploymentID, after, limit int) ([]deploy.LogLine, error)
	// Deliveries gives alerts on their way and delivered ones, newest first.
	Deliveries(ctx context.Context, limit int) ([]deploy.Delivery, error)
}

// Releases is what was or can be run.
type Releases interface {
	// Release gives one; deploy.ErrNotFound.
	Release(ctx context.Context, app deploy.AppName, number int) (deploy.Release, error)
	// Releases gives an app's releases, newest first.
	Releases(ctx context.Context, app deploy.AppName) ([]deploy.Release, error)
}

// Users is who may log in.
type Users interface {
	// CreateUser stores a new user; deploy.ErrExists.
	CreateUser(ctx context.Context, u deploy.User) error
	// Users gives all of them, by name.
	Users(ctx context.Context) ([]deploy.User, error)
	// UpdateUser stores a changed user; deploy.ErrNotFound.
	UpdateUser(ctx context.Context, u deploy.User) error
	// DeleteUser removes a user with keys and rights; deploy.ErrConflict for the last admin.
	DeleteUser(ctx context.Context, name string) error
}

// Keys is what they log in with.
type Keys interface {
	// AddKey stores a key; deploy.ErrExists when any user has it.
	AddKey(ctx context.Context, k deploy.Key) error
	// RemoveKey removes a user's key; deploy.ErrNotFound.
	RemoveKey(ctx context.Context, user, fingerprint string) error
	// Keys gives a user's keys, or with "" everybody's.
	Keys(ctx context.Context, user string) ([]deploy.Key, error)
}

// Rights is who may do what with an app.
type Rights interface {
	// Grant gives a right, in place of the one that the user had.
	Grant(ctx context.Context, a deploy.Access) error
	// Revoke takes it; deploy.ErrNotFound when there is none.
	Revoke(ctx context.Context, user string, app deploy.AppName) error
	// AccessList gives the app's rights, by user.
	AccessList(ctx context.Context, app deploy.AppName) ([]deploy.Access, error)
}

// Console lets a user into the console.
type Console interface {
	// CreateLoginToken makes a token that can be redeemed once, until expires.
	CreateLoginToken(ctx context.Context, user string, expires time.Time) (token string, err error)
}

// Engine is what the commands ask of the core. Met by *deploy.Engine, whose
// comments are the contract.
type Engine interface {
	Starter
	Switcher
	Follower
	Inspector
	Crons
}

// Crons looks at scheduled commands and runs them.
type Crons interface {
	CronTable(ctx context.Context, app deploy.AppName) ([]deploy.CronEntry, error)
	CronRun(ctx context.Context, app deploy.AppName, name, by string, out io.Writer) (deploy.CronRecord, error)
}

// Starter begins deployments.
type Starter interface {
	Rollback(ctx context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error)
	RollbackAcross(ctx context.Context, app deploy.AppName, release int, by string) (deploy.Deployment, error)
	Redeploy(ctx context.Context, app deploy.AppName, o deploy.Options, by string) (deploy.Deployment, error)
	Reconfigure(ctx context.Context, app deploy.AppName, by string) (deploy.Deployment, error)
	Patch(ctx context.Context, app deploy.AppName) (deploy.Deployment, error)
}

// Inspector looks into releases.
type Inspector interface {
	Inventory(ctx context.Context, app deploy.AppName, release int) (deploy.Release, deploy.Inventory, error)
	PlanPatch(ctx context.Context, app deploy.AppName) (deploy.PatchPlan, error)
}

// Switcher acts on what is there.
type Switcher interface {
	Promote(ctx context.Context, app deploy.AppName, by string) (deploy.Deployment, error)
	Cancel(ctx context.Context, app deploy.AppName, id deploy.DeploymentID, by string) (deploy.Deployment, error)
	Destroy(ctx context.Context, app deploy.AppName, by string) error
	Reroute(ctx context.Context, app deploy.AppName) error
}

// Follower lets a user look on.
type Follower interface {
	Wait(ctx context.Context, id deploy.DeploymentID, patience time.Duration) (deploy.Deployment, error)
	Watch(id deploy.DeploymentID) *deploy.Watcher
}
