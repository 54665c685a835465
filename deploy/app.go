package deploy

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// AppName is the checked name of an app. It is made by ParseAppName only, at
// the edge, so that everything behind the edge may put it into a path, a
// container name or a host name without looking at it again.
type AppName string

var appNamePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,38}[a-z0-9]$`)

// ParseAppName checks a name that came from outside. The error is written for
// the person who typed it and wraps ErrBadName.
func ParseAppName(s string) (AppName, error) {
	if !appNamePattern.MatchString(s) || strings.Contains(s, "--") {
		return "", fmt.Errorf("%w: %q is not a name for an app: use 2 to 40 of a-z, 0-9 and single '-', beginning with a letter, not ending with '-'", ErrBadName, Clean(s, 60))
	}
	return AppName(s), nil
}

// App is what Teal knows about one app between deployments. Which color
// serves, and what "restart previous" would bring back, stand here and nowhere
// else; the router's table and the set of running containers follow from it.
type App struct {
	Name      AppName
	CreatedAt time.Time
	CreatedBy string // user name

	// Active is the color that production points at; "" before the first
	// promotion. It is changed by Store.Activate alone.
	Active Color
	// Live is the number of the release on Active; 0 before the first promotion.
	Live int
	// Previous is the release that Live replaced, kept (running or stopped) on
	// Active.Other(); 0 when there is none. It is the target of "restart previous".
	Previous int
	// ReplacedAt is when Live replaced Previous: the grace period counts from here.
	ReplacedAt time.Time
	// Staged is a release that was probed but not promoted (push option
	// no-promote); it runs on Active.Other() and is what the preview shows. 0: none.
	Staged int

	// Branch is the branch that deploys; "" means main or master.
	Branch string
	// Domains are the hosts that production serves for the app beside the
	// server's own <app>.<domain>. Lower case, no port.
	Domains []string
	// Env is the app's environment as it is now. A release keeps the copy it was
	// made with. Encrypted where it is stored.
	Env map[string]string
	// BuildSecrets are what builds may use (RUN --mount=type=secret,id=NAME) and
	// images never hold. Encrypted where they are stored.
	BuildSecrets map[string]string
	// PatchSchedule is a cron expression (five fields, may begin with
	// CRON_TZ=Area/City), "off", or "" for the server's default.
	PatchSchedule string
	// PatchPinned is set by a rollback and cleared by the next push: a scheduled
	// patch run leaves a pinned app alone.
	PatchPinned bool
}

// Idle is the color that the next deployment goes to.
func (a App) Idle() Color { return a.Active.Other() }

// DeploysFrom tells whether a push to the branch (a short name) deploys the app.
func (a App) DeploysFrom(branch string) bool {
	if a.Branch != "" {
		return branch == a.Branch
	}
	return branch == "main" || branch == "master"
}
