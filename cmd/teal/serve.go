package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"

	"teal/builder"
	"teal/console"
	"teal/deploy"
	"teal/gitserver"
	"teal/gitserver/commands"
	"teal/notify"
	"teal/router"
	"teal/router/certs"
	"teal/runtime"
	"teal/schedule"
	"teal/store"
)

// serveCommand is "teal serve".
type serveCommand struct{ config }

// Run runs the daemon until the context ends.
func (s *serveCommand) Run(t *terminal) error {
	log, err := newLogger(t.stderr, s.LogFormat, s.LogLevel)
	if err != nil {
		return err
	}
	// The heap of an idle Teal is a few MB: collecting earlier than Go's default
	// keeps it small and costs nothing that shows.
	debug.SetGCPercent(50)
	return serve(t.ctx, s.config, log, t.stdout)
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// serve runs a daemon until ctx ends.
func serve(ctx context.Context, c config, log *slog.Logger, stdout io.Writer) error {
	d, err := newDaemon(ctx, c, log, stdout)
	if err != nil {
		return err
	}
	defer d.close()
	return d.run(ctx)
}

// newDaemon opens the store and the doors and builds every part. Nothing runs yet.
func newDaemon(ctx context.Context, c config, log *slog.Logger, stdout io.Writer) (_ *daemonParts, err error) {
	d := &daemonParts{config: c, log: log, stdout: stdout, changed: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.dir, err = c.dir(); err != nil {
		return nil, err
	}
	alerts, err := c.notify(log)
	if err != nil {
		return nil, err
	}
	if d.db, err = store.Open(ctx, store.Config{Dir: d.dir, Channels: alerts.Channels(), Log: log}); err != nil {
		return nil, err
	}
	if err := firstAdmin(ctx, d.db, c, log); err != nil {
		return nil, err
	}
	var notes []string
	if d.doors, notes, err = listen(ctx, c); err != nil {
		return nil, err
	}
	for _, n := range notes {
		log.Warn(n)
	}
	return d, d.build(ctx, alerts)
}

// daemonParts are the parts of a running daemon.
type daemonParts struct {
	config
	dir    string
	db     *store.DB
	log    *slog.Logger
	doors  listeners
	stdout io.Writer

	docker    *client.Client
	runtime   *runtime.Docker
	builder   *builder.Builder
	router    *router.Router
	certs     *certs.Manager
	repos     *gitserver.Repos
	git       *gitserver.Server
	engine    *deploy.Engine
	notifier  *notify.Notifier
	scheduler *schedule.Scheduler
	changed   chan struct{} // a token has the scheduler look at the commands of apps
	commands  *commands.Set
	console   *console.Console
	accessLog io.Closer
	gate      previewGate
	balancers []netip.Prefix // that speak the PROXY protocol
}

// command runs an operator's command that came over SSH.
func (d *daemonParts) command(ctx context.Context, s gitserver.Session) int {
	return d.commands.Run(ctx, commands.Call{User: s.User, Args: s.Args, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr})
}

func (d *daemonParts) audit(ctx context.Context, limit int) ([]commands.AuditRecord, error) {
	records, err := d.db.AuditLog(ctx, limit)
	out := make([]commands.AuditRecord, len(records))
	for i, r := range records {
		out[i] = commands.AuditRecord(r)
	}
	return out, err
}

// told is called with every event of the core.
func (d *daemonParts) told(e deploy.Event) {
	d.notifier.Told(e)
	if e.State == deploy.Promoting { // other commands may be on a schedule now
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}
}

func (d *daemonParts) nextPatch(name deploy.AppName) (time.Time, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	app, err := d.db.App(ctx, name)
	if err != nil {
		return time.Time{}, false
	}
	return d.scheduler.NextRun(ctx, app)
}

func (d *daemonParts) nextPatchOf(app deploy.App) (time.Time, bool) { return d.nextPatch(app.Name) }

// run runs the parts. The router goes last: requests are served until everything
// that could still switch them has ended.
func (d *daemonParts) run(ctx context.Context) error {
	routerCtx, stopRouter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRouter()
	routing := make(chan error, 1)
	go func() { routing <- d.serveRouter(routerCtx) }()

	d.sweep(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return named("engine", d.engine.Run(ctx)) })
	group.Go(func() error { return named("runtime", d.runtime.Run(ctx)) })
	group.Go(func() error { return named("certificates", d.certs.Run(ctx)) })
	group.Go(func() error { return named("alerts", d.notifier.Run(ctx)) })
	group.Go(func() error { return named("schedule", d.scheduler.Run(ctx)) })
	group.Go(func() error { return named("console", d.serveHTTP(ctx, d.doors.console, d.console.Handler())) })
	if d.doors.metrics != nil {
		group.Go(func() error { return named("metrics", d.serveHTTP(ctx, d.doors.metrics, d.metrics())) })
	}
	group.Go(func() error { return named("ssh", d.git.Serve(ctx, d.doors.ssh)) })
	group.Go(func() error { return d.welcome(ctx) })
	group.Go(func() error {
		select {
		case err := <-routing: // ended by itself: end everything
			routing <- err
			return named("router", errors.Join(err, errors.New("the router ended")))
		case <-ctx.Done():
			return nil
		}
	})
	err := group.Wait()
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	stopRouter()
	d.log.Info("Stopping: requests in flight are finished")
	if ended := <-routing; err == nil {
		err = ended
	}
	return err
}

func named(part string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

func (d *daemonParts) serveRouter(ctx context.Context) error {
	// The ports are open, so whoever comes now waits: better than being told that
	// there is no such app.
	select {
	case <-d.engine.Ready():
	case <-ctx.Done():
		return nil
	}
	d.settleCertificates(ctx)
	l := router.Listeners{
		Production: []net.Listener{proxied(d.doors.http, d.balancers)},
		Preview:    []net.Listener{proxied(d.doors.preview, d.balancers)},
	}
	if d.doors.https != nil {
		l.ProductionTLS = []net.Listener{proxied(d.doors.https, d.balancers)}
	}
	return d.router.Serve(ctx, l)
}

// metrics serves /metrics and nothing else.
func (d *daemonParts) metrics() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.router.Metrics())
	return mux
}

// serveHTTP serves the console, or the metrics, until ctx ends.
func (d *daemonParts) serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends event streams
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	err := server.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// welcome says where everything is once apps are routed.
func (d *daemonParts) welcome(ctx context.Context) error {
	select {
	case <-d.engine.Ready():
	case <-ctx.Done():
		return nil
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	d.warn(ctx)
	d.log.Info("Teal is ready", "version", version, "data", d.dir,
		"production", "http://<app>."+d.Domain+suffix(d.doors.http, 80), "preview", "http://<app>."+d.Domain+suffix(d.doors.preview, 80),
		"console", d.consoleURL(), "git", d.hint().Remote("<app>"))
	for _, f := range d.git.HostFingerprints() {
		d.log.Info("SSH host key", "fingerprint", f)
	}
	d.log.Info(d.notifier.Summary())
	d.checkHold(ctx)
	return nil
}

// warn tells what about the container engine an operator should change.
func (d *daemonParts) warn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	warnings, err := d.runtime.Doctor(ctx)
	if err != nil {
		d.log.Error("The container engine does not answer. Is it running? (apt install docker.io; systemctl start docker)", "error", err)
	}
	for _, w := range warnings {
		d.log.Warn(w)
	}
}

// sweep removes throw-away containers that a killed daemon left. It comes before
// the engine's recovery: they hold on to images that recovery wants to remove.
func (d *daemonParts) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := d.runtime.Sweep(ctx); err != nil {
		d.log.Warn("Cannot remove throw-away containers of an earlier run", "error", err)
	}
}

// close lets go of what newDaemon opened, after run or instead of it.
func (d *daemonParts) close() {
	d.doors.close()
	if d.accessLog != nil {
		_ = d.accessLog.Close()
	}
	if d.docker != nil {
		_ = d.docker.Close()
	}
	if d.db != nil {
		if err := d.db.Close(); err != nil {
			d.log.Error("Cannot close the database", "error", err)
		}
	}
}
