// Package console is Teal's web console: pages rendered on the server, one
// style sheet, one small script, no build step. Every page works without
// JavaScript; the script only saves the reload.
//
// A person comes in with a one-time link (printed by the SSH command "login"),
// which is turned into a session. All URLs stand in one table (routes.go), each
// with what it takes to come in; one function (guard.go) looks at it before any
// handler runs. Handlers read the store, ask the engine, and return an error
// that one function (fail.go) turns into a page.
//
// What a page shows of the outside (commit subjects, branches, authors, an app's
// output) goes through deploy.Clean and html/template.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"teal/deploy"
)

// Config is what a Console is made of.
type Config struct {
	Store  Store  // met by *store.DB
	Engine Engine // met by *deploy.Engine

	// Authorize is deploy.Authorize bound to the directory: nil or an error that
	// wraps deploy.ErrDenied or deploy.ErrNotFound. It is asked before every
	// handler of an app's page or action.
	Authorize func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error
	// Instances lists the instances of all apps; an error (the container engine
	// is away) becomes a notice, never a failed page. nil: none are shown.
	Instances func(ctx context.Context) ([]deploy.Instance, error)
	// Detours tells of a share, a hold or a watch. nil: none are shown.
	Detours func(app deploy.AppName) deploy.Traffic
	// Figures gives what the router counted for a release. nil: none are shown.
	Figures func(app deploy.AppName, release int) deploy.Figures
	// Traffic gives what the router knows of every app, for the page of figures.
	// nil: there is no such page.
	Traffic func() []Traffic
	// ProductionURL and PreviewURL give the address of an app on the two
	// front-ends; nil or "": no link.
	ProductionURL func(app deploy.AppName) string
	PreviewURL    func(app deploy.AppName) string
	// NextCron tells when a scheduled command runs next; nil: not shown.
	NextCron func(e deploy.CronEntry) (time.Time, bool)
	// Certificates tells of the TLS certificates for an app's hosts, by host.
	// nil: TLS is not served.
	Certificates func(app deploy.AppName) []deploy.Certificate
	// NextPatch tells when the next security patch run of an app is; false: none
	// is planned. nil: the line is left out.
	NextPatch func(app deploy.AppName) (time.Time, bool)

	// SSHHint is the command line that reaches Teal, to which a command of ours
	// is appended: "ssh -p 2222 teal.example.com".
	SSHHint string
	// GitRemote gives the URL to push an app to: "ssh://teal.example.com:2222/shop".
	// nil: the pages show no "git remote add" line.
	GitRemote func(app deploy.AppName) string
	// HostFingerprints are the SSH host keys' ("SHA256:…"), shown so that people
	// can compare at their first connection.
	HostFingerprints []string
	// AlertsSummary says in one line where alerts go: "by mail through
	// smtp.example.com", "nowhere: no mail server is set".
	AlertsSummary string

	// Secure says that browsers reach the console by HTTPS: cookies get Secure
	// and the __Host- prefix, pages Strict-Transport-Security.
	Secure bool

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// Console serves the pages. It has no goroutine of its own.
type Console struct {
	Config
	routes   []route
	pages    pages
	assets   assets
	attempts *attempts
	streams  *streamGate
	beat     time.Duration // streamBeat

	// watch and subscribe are the engine's feeds, as taps.
	watch     func(id deploy.DeploymentID) *tap[deploy.LogLine]
	subscribe func(app deploy.AppName) *tap[deploy.Event]
}

// New makes a console. It starts nothing.
func New(cfg Config) *Console {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Console{Config: cfg, attempts: newAttempts(cfg.Now), streams: newStreamGate(), beat: streamBeat}
	c.watch, c.subscribe = feeds(cfg.Engine)
	c.assets = loadAssets()
	c.pages = loadPages(c.funcs())
	c.routes = c.table()
	return c
}

// Handler serves every URL of the console. Event streams last as long as the
// page is open, at most streamLife: a server that shuts down ends its
// BaseContext first, which ends them.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range c.routes {
		mux.Handle(rt.pattern, c.guard(rt))
	}
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(c.crossOrigin))
	return c.recovered(c.headers(origin.Handler(mux)))
}

func (c *Console) detours(app deploy.AppName) deploy.Traffic {
	if c.Detours == nil {
		return deploy.Traffic{}
	}
	return c.Detours(app)
}

func (c *Console) figures(app deploy.AppName, release int) deploy.Figures {
	if c.Figures == nil || release == 0 {
		return deploy.Figures{}
	}
	return c.Figures(app, release)
}

// instances gives the app's instances by release. away is a sentence for the
// page when they could not be listed.
func (c *Console) instances(ctx context.Context, app deploy.AppName) (list map[int][]deploy.Instance, away string) {
	list = map[int][]deploy.Instance{}
	if c.Instances == nil {
		return list, ""
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	all, err := c.Instances(ctx)
	if err != nil {
		c.Log.Warn("console cannot list instances", "app", app, "error", err)
		return list, "The container engine does not answer. Requests still go to what was running; new deployments wait until it is back."
	}
	for _, in := range all {
		if in.App == app {
			list[in.Release] = append(list[in.Release], in)
		}
	}
	return list, ""
}

func call(f func(deploy.AppName) string, app deploy.AppName) string {
	if f == nil {
		return ""
	}
	return f(app)
}
