package commands

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"teal/deploy"
)

// Config is what a Set is made of.
type Config struct {
	Store  Store
	Engine Engine

	// Instances gives every instance that the container engine has;
	// deploy.ErrEngineAway when it does not answer. nil: ps shows none.
	Instances func(ctx context.Context) ([]deploy.Instance, error)
	// RemoveVolumes removes a destroyed app's volumes for good. nil: there are none.
	RemoveVolumes func(ctx context.Context, app deploy.AppName) error
	// Traffic tells of a share, a hold or a watch. nil: ps shows none.
	Traffic func(app deploy.AppName) deploy.Traffic
	// Logs writes the last lines of what the app's live instances wrote to w,
	// and with follow what they write from then on, until ctx ends. nil: none.
	Logs func(ctx context.Context, app deploy.AppName, follow bool, lines int, w io.Writer) error
	// Audit gives the newest audit records, newest first. nil: none.
	Audit func(ctx context.Context, limit int) ([]AuditRecord, error)
	// Cut ends the live sessions that were opened with a key. nil: none are.
	Cut func(fingerprint string)

	// Hint is how this Teal is reached, for texts.
	Hint Hint
	// URL is where production serves the app. nil: not shown.
	URL func(app string) string
	// PreviewURL is where the color that is not active is to be seen. nil: not shown.
	PreviewURL func(app string) string
	// LoginURL is the page of the console that redeems a token; nil: Hint.ConsoleURL + "/login?token=" + token.
	LoginURL func(token string) string
	// DefaultSchedule is the server's patch schedule, as apps have theirs; "": off.
	DefaultSchedule string
	// CheckDomain refuses hosts that no app may have; its error wraps
	// deploy.ErrBadName and is shown. nil: the store's own rules are all.
	CheckDomain func(host string) error
	// CheckSchedule checks a patch schedule that was typed; its error wraps
	// deploy.ErrBadName and is shown. nil: stored as typed.
	CheckSchedule func(spec string) error
	// Certificates tells of the TLS certificates for an app's hosts, by host; nil: TLS is not served.
	Certificates func(app deploy.AppName) []deploy.Certificate
	// NextPatch tells when the app will be patched next; false when it won't be.
	// nil: not shown.
	NextPatch func(app deploy.App) (time.Time, bool)
	// BuildPlan gives the Dockerfile that a build of the commit would go by, with
	// what was found in comments above it; its error may be a *deploy.Failure. nil:
	// there is none.
	BuildPlan func(ctx context.Context, app deploy.AppName, commit string) (string, error)
	// NextCron tells when a scheduled command runs next; false when no time is
	// known. nil: not shown.
	NextCron func(e deploy.CronEntry) (time.Time, bool)
	// SBOM writes the packages of a release as a document, in the format "spdx" or
	// "cyclonedx". nil: there are none.
	SBOM func(format string, r deploy.Release, i deploy.Inventory) ([]byte, error)
	// Stack gives the base images that Teal makes itself, by name. nil: there are none.
	Stack func(ctx context.Context) ([]StackImage, error)
	// MailSet: a mail server is set, so that alerts leave this machine.
	MailSet bool
	// HostFingerprints are those of the SSH server's own keys ("SHA256:…").
	HostFingerprints []string
	// Version is what "version" prints.
	Version string

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// AuditRecord is one answer that was given to a user who asked for a verb.
type AuditRecord struct {
	ID      int64
	At      time.Time
	User    string
	Verb    deploy.Verb
	App     deploy.AppName // "" for verbs without one
	Allowed bool
}

// Call is one command as it was typed.
type Call struct {
	// User is the name that belongs to the verified key.
	User string
	// Args are the words, split but not looked at. None: help.
	Args []string
	// Stdin is read by the few commands that ask for something. nil: empty. A
	// read of it must end once Run has returned.
	Stdin io.Reader
	// Stdout gets the answer.
	Stdout io.Writer
	// Stderr gets what went wrong, and remarks.
	Stderr io.Writer
}

// Set is the commands, ready to run. It may be used from several goroutines.
type Set struct {
	Config
	table []group
	watch func(id deploy.DeploymentID) *feed
}

// New makes a Set. It starts nothing.
func New(c Config) *Set {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	none := func(string) string { return "" }
	if c.URL == nil {
		c.URL = none
	}
	if c.PreviewURL == nil {
		c.PreviewURL = none
	}
	if c.LoginURL == nil {
		c.LoginURL = func(token string) string { return c.Hint.ConsoleURL + "/login?token=" + token }
	}
	if c.CheckDomain == nil {
		c.CheckDomain = func(string) error { return nil }
	}
	if c.CheckSchedule == nil {
		c.CheckSchedule = func(string) error { return nil }
	}
	if c.Certificates == nil {
		c.Certificates = func(deploy.AppName) []deploy.Certificate { return nil }
	}
	if c.NextPatch == nil {
		c.NextPatch = func(deploy.App) (time.Time, bool) { return time.Time{}, false }
	}
	if c.NextCron == nil {
		c.NextCron = func(deploy.CronEntry) (time.Time, bool) { return time.Time{}, false }
	}
	if c.Cut == nil {
		c.Cut = func(string) {}
	}
	return &Set{Config: c, table: table, watch: watchOf(c.Engine)}
}

// Run runs one call and returns its exit code. It returns when everything it
// started has ended, but for a read of Stdin. When ctx ends (the client is
// gone) watching stops; nothing that was begun is canceled by that.
func (s *Set) Run(ctx context.Context, call Call) (exit int) {
	begun := s.Now()
	var j *job
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("command panicked", "user", call.User, "error", deploy.PanicText(p), "stack", string(debug.Stack()))
			exit = s.report(call, j, trouble(ExitTeal, "this command ran into a bug in Teal", "tell the administrator: the log of teal has the details"))
		}
		s.Log.Debug("command", "user", call.User, "exit", exit, "duration", s.Now().Sub(begun))
	}()
	j, err := s.prepare(ctx, call)
	if err != nil {
		return s.report(call, j, err)
	}
	limit := j.row.limit
	if limit == 0 {
		limit = answerTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.report(call, j, j.row.run(ctx, j))
}

// How long a command may take, by what it does. Only the client's patience
// ends earlier; what a deployment may take is the engine's business.
const (
	answerTime = 30 * time.Second
	typingTime = 3 * time.Minute  // reads Stdin
	undoTime   = 10 * time.Minute // stops containers, removes things
	followTime = 3 * time.Hour    // follows a deployment
	tailTime   = 24 * time.Hour   // follows an app's output
)
