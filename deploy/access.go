package deploy

import (
	"context"
	"fmt"
	"time"
)

// Right is what a user may do with one app, or with all of them.
type Right string

// The rights, each includes the ones before it.
const (
	Viewer   Right = "viewer"   // see the app, its deployments and logs
	Deployer Right = "deployer" // push, restart previous, redeploy, promote, cancel, set env
	Admin    Right = "admin"    // domains, access, destroy: an owner of the app
)

var rank = map[Right]int{Viewer: 1, Deployer: 2, Admin: 3}

// ParseRight checks a right that came from outside.
func ParseRight(s string) (Right, error) {
	if _, ok := rank[Right(s)]; !ok {
		return "", fmt.Errorf("%w: %q is not a right: use viewer, deployer or admin", ErrBadName, Clean(s, 40))
	}
	return Right(s), nil
}

// User is a person (or a machine) with keys.
type User struct {
	Name  string // as app names are: ParseUserName
	Email string // where alerts go; "" when unknown
	// Admin users may do everything with every app and manage users and keys.
	Admin bool
	// MayCreate users may create apps, and become admin of those they create.
	MayCreate bool
	CreatedAt time.Time
}

// ParseUserName checks a user name from outside; the rule is that of app names.
func ParseUserName(s string) (string, error) {
	if !appNamePattern.MatchString(s) {
		return "", fmt.Errorf("%w: %q is not a user name: use 2 to 40 of a-z, 0-9 and '-', beginning with a letter", ErrBadName, Clean(s, 60))
	}
	return s, nil
}

// Key is an SSH public key of a user.
type Key struct {
	User        string
	Fingerprint string // "SHA256:…"
	Public      string // one authorized_keys line without options: "ssh-ed25519 AAAA…"
	Comment     string
	CreatedAt   time.Time
	LastUsedAt  time.Time
}

// Access is one user's right on one app.
type Access struct {
	User  string
	App   AppName
	Right Right
}

// Verb is something a user asks for. Every edge asks Authorize with one of these.
type Verb string

// The verbs.
const (
	VerbView    Verb = "view"    // an app and all that belongs to it
	VerbFetch   Verb = "fetch"   // git fetch and clone
	VerbPush    Verb = "push"    // git push
	VerbDeploy  Verb = "deploy"  // rollback, redeploy, promote, cancel, patch
	VerbConfig  Verb = "config"  // read and write env
	VerbDomains Verb = "domains" // change domains, branch, schedule
	VerbAccess  Verb = "access"  // change who may do what with the app
	VerbDestroy Verb = "destroy" // the app, for good
	VerbCreate  Verb = "create"  // an app; asked with the new app's name
	VerbUsers   Verb = "users"   // users and keys of others; asked with no app
)

var needs = map[Verb]Right{
	VerbView: Viewer, VerbFetch: Viewer,
	VerbPush: Deployer, VerbDeploy: Deployer, VerbConfig: Deployer,
	VerbDomains: Admin, VerbAccess: Admin, VerbDestroy: Admin,
}

// Directory is what Authorize looks up and writes down. Met by the store.
type Directory interface {
	// User gives the user with that name; ErrNotFound when there is none.
	User(ctx context.Context, name string) (User, error)
	// RightOf gives the user's right on the app; "" when he has none. It does not look at User.Admin.
	RightOf(ctx context.Context, user string, app AppName) (Right, error)
	// Audit writes down that the user asked for the verb and what the answer was.
	// A failure to write is the caller's failure: what can't be audited isn't allowed.
	Audit(ctx context.Context, user string, verb Verb, app AppName, allowed bool) error
}

// Authorize is the one place that says whether a user may do something. user
// is the verified identity; app is "" for verbs without one. It writes an audit
// record for everything but plain looking, and returns nil or an error that
// wraps ErrDenied. An app that the user may not even see is refused with
// ErrNotFound, so that names of apps do not leak.
func Authorize(ctx context.Context, dir Directory, user string, verb Verb, app AppName) error {
	u, err := dir.User(ctx, user)
	if err != nil {
		return fmt.Errorf("%w: %s is not a user", ErrDenied, Clean(user, 40))
	}
	right, err := dir.RightOf(ctx, user, app)
	if err != nil {
		return err
	}
	allowed := u.Admin
	switch verb {
	case VerbCreate:
		allowed = allowed || u.MayCreate
	case VerbUsers:
	default:
		need, known := needs[verb]
		allowed = known && (allowed || rank[right] >= rank[need])
	}
	if verb != VerbView && verb != VerbFetch || !allowed {
		if err := dir.Audit(ctx, user, verb, app, allowed); err != nil {
			return fmt.Errorf("cannot write the audit record: %w", err)
		}
	}
	switch {
	case allowed:
		return nil
	case right == "" && app != "" && verb != VerbCreate:
		return fmt.Errorf("app %s: %w", app, ErrNotFound)
	default:
		return fmt.Errorf("%w: %s may not %s %s", ErrDenied, user, verb, app)
	}
}
