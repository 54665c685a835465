package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/docker/docker/client"

	"teal/builder"
	"teal/builder/packages"
	"teal/console"
	"teal/deploy"
	"teal/gitserver"
	"teal/gitserver/commands"
	"teal/notify"
	"teal/router"
	"teal/runtime"
	"teal/schedule"
)

// build makes every part. None is started.
func (d *daemonParts) build(ctx context.Context, n notify.Config) error {
	pushes, err := d.Git.limits()
	if err != nil {
		return err
	}
	namespace, err := d.db.InstallationID(ctx)
	if err != nil {
		return err
	}
	if err := d.buildEngineSide(ctx, namespace); err != nil {
		return err
	}
	if err := d.buildRouter(); err != nil {
		return err
	}
	d.repos = gitserver.NewRepos(gitserver.ReposConfig{
		Dir: filepath.Join(d.dir, "repos"), Limits: pushes, Keep: neededCommits(d.db), Log: d.log,
	})
	if err := d.repos.CheckGit(ctx); err != nil {
		return err
	}
	if err := d.repos.Sweep(ctx); err != nil {
		return err
	}
	n.Outbox, n.Recipients = d.db, d.db.Recipients
	n.ConsoleURL = func(app deploy.AppName, id deploy.DeploymentID) string {
		return fmt.Sprintf("%s/apps/%s/deployments/%d", d.consoleURL(), app, id)
	}
	n.SSHHint = d.hint().Command()
	d.notifier = notify.New(n)
	defaults, err := d.App.settings()
	if err != nil {
		return err
	}
	if defaults.Patch.Window = d.PatchWindow; d.PatchWindow != "" {
		if _, err := deploy.ParseWindow(d.PatchWindow); err != nil {
			return fmt.Errorf("--patch-window: %w", err)
		}
	}
	d.engine = deploy.New(deploy.Config{
		Store: d.db, Repositories: d.repos, Builder: d.builder, Runtime: d.runtime, Bench: d.runtime, Router: d.router,
		Domain: d.Domain, Defaults: &defaults, MaxBuilds: d.MaxBuilds,
		Budget: deploy.Budget{App: int64(d.DiskApp) << 20, Total: int64(d.DiskTotal) << 20, Images: d.DiskImages}, Listening: d.runtime.ListeningPorts,
		Patcher: d.builder, Inventories: d.db, Patches: d.db, Crons: d.db, SetEnv: d.db.SetEnv,
		Log: d.log, Told: d.told,
	})
	if err := d.buildScheduler(); err != nil {
		return err
	}
	return d.buildEdges(pushes)
}

func (d *daemonParts) buildEngineSide(ctx context.Context, namespace string) (err error) {
	if d.docker, err = dialEngine(d.DockerHost); err != nil {
		return err
	}
	negotiate(ctx, d.docker)
	subnets, err := netip.ParsePrefix(d.Subnets)
	if err != nil {
		return fmt.Errorf("--subnets: %q is not a network such as 10.213.0.0/16", d.Subnets)
	}
	for _, most := range []int{d.BuildMemory, d.BuildCache, d.DiskFree, d.DiskApp, d.DiskTotal, d.DiskImages} {
		if most < 0 {
			return errors.New("--build-memory, --build-cache, --disk-free, --disk-app, --disk-total and --disk-images can't be negative")
		}
	}
	d.runtime = runtime.New(runtime.Config{Client: d.docker, Namespace: namespace, Subnets: subnets, Log: d.log})
	d.builder = builder.New(builder.Config{
		AptSources: d.AptSources, ApkMirror: d.ApkMirror, CVEData: d.CVEData,
		Engine: d.docker, Namespace: namespace, CAFile: d.CAFile, GoProxy: d.GoProxy, CacheDir: filepath.Join(d.dir, "cache"),
		RegistryConfig: d.RegistryConfig, Mirror: d.RegistryMirror,
		MaxMemory: int64(d.BuildMemory) << 20, MaxCache: int64(d.BuildCache) << 20, MinFreeDisk: int64(d.DiskFree) << 20,
		CheckCron: schedule.CheckCron, Log: d.log,
	})
	return nil
}

// dialEngine makes the Engine's client. It calls nothing yet.
func dialEngine(host string) (*client.Client, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	c, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("cannot use the container engine: %w; look at --docker-host and DOCKER_HOST", err)
	}
	return c, nil
}

// negotiate settles the API version before several goroutines use the client:
// left to the first call, the client writes the version while others read it.
func negotiate(ctx context.Context, c *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c.NegotiateAPIVersion(ctx) // an Engine that is away: the first call that gets through does it
}

func (d *daemonParts) buildRouter() (err error) {
	if d.gate, err = newPreviewGate(d.dir); err != nil {
		return err
	}
	trusted, err := networks("--trusted-proxies", d.TrustedProxies)
	if err != nil {
		return err
	}
	if d.balancers, err = networks("--proxy-protocol", d.ProxyProtocol); err != nil {
		return err
	}
	if err := d.buildCertificates(); err != nil {
		return err
	}
	c := router.Config{
		Domain: d.Domain, TrustedProxies: trusted, PreviewAllowed: d.gate.allowed, Log: d.log,
		Challenge: d.certs.Answer, Repointed: d.certs.Wake,
	}
	if c.DefaultApp, err = d.defaultApp(); err != nil {
		return err
	}
	if c.CookieKey, err = cookieKey(d.dir); err != nil {
		return err
	}
	if d.doors.https != nil {
		c.TLS, c.Secured, c.SecurePort = d.certs.TLSConfig(), d.certs.Covers, suffix(d.doors.https, 443)
	}
	switch d.AccessLog {
	case "":
	case "-":
		c.AccessLog = d.stdout
	default:
		f, err := router.OpenLogFile(d.AccessLog, int64(max(d.AccessLogSize, 0))<<20, d.AccessLogKeep)
		if err != nil {
			return fmt.Errorf("cannot open the access log: %w", err)
		}
		c.AccessLog, d.accessLog = f, f
	}
	d.router = router.New(c)
	return nil
}

func (d *daemonParts) buildScheduler() error {
	spec, err := schedule.ParseSpec(d.PatchSchedule)
	if err != nil {
		return fmt.Errorf("--patch-schedule: %w", err)
	}
	zone, err := d.location()
	if err != nil {
		return err
	}
	jitter := d.PatchJitter
	if jitter <= 0 {
		jitter = -1 // none
	}
	d.scheduler = schedule.New(schedule.Config{
		Jitter: jitter, Window: d.engine.PatchWindow,
		Apps: d.db.Apps, Slots: d.db, Patch: d.engine.PatchDue, Wait: d.engine.Wait, Events: d.db.AddEvent,
		Crons: d.engine, Changed: d.changed,
		Daily: d.keepHouse, Default: spec, TimeZone: zone, Log: d.log,
	})
	return nil
}

// buildEdges makes what people talk to: SSH and the console.
func (d *daemonParts) buildEdges(pushes gitserver.Limits) (err error) {
	authorize := func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error {
		return deploy.Authorize(ctx, d.db, user, verb, app)
	}
	d.git, err = gitserver.New(gitserver.Config{
		HostKeyDir: d.dir, Keys: d.db, Apps: d.db, Authorize: authorize, Engine: d.engine, Repos: d.repos, Limits: pushes,
		Commands: d.command, Log: d.log, URL: d.productionURL, PreviewURL: d.previewURL, Reach: d.hint().Command(),
	})
	if err != nil {
		return err
	}
	d.commands = commands.New(commands.Config{
		Store: d.db, Engine: d.engine, Instances: d.runtime.List, Traffic: d.engine.Traffic, RemoveVolumes: d.runtime.RemoveVolumes, Logs: d.logs, Audit: d.audit, Cut: d.git.CutKey,
		Hint:            d.hint(),
		URL:             func(app string) string { return d.productionURL(deploy.AppName(app)) },
		PreviewURL:      func(app string) string { return d.previewURL(deploy.AppName(app)) },
		DefaultSchedule: d.PatchSchedule,
		CheckDomain:     func(host string) error { return deploy.CheckDomain(host, d.Domain) },
		CheckSchedule:   func(spec string) error { _, err := schedule.ParseSpec(spec); return err },
		Certificates:    d.certs.OfApp,
		NextPatch:       d.nextPatchOf, NextCron: d.scheduler.NextCron, BuildPlan: d.buildPlan, SBOM: sbom, Stack: d.stackImages, MailSet: d.Mail.Host != "", HostFingerprints: d.git.HostFingerprints(),
		Version: version, Log: d.log,
	})
	d.console = console.New(console.Config{
		Store: d.db, Engine: d.engine, Authorize: authorize, Instances: d.runtime.List, Figures: d.router.Figures, Detours: d.engine.Traffic,
		Traffic:       func() []console.Traffic { return traffic(d.router.Stats()) },
		ProductionURL: d.productionURL, PreviewURL: d.previewURL, Certificates: d.certs.OfApp, NextPatch: d.nextPatch, NextCron: d.scheduler.NextCron, SSHHint: d.hint().Command(), GitRemote: d.hint().Remote,
		HostFingerprints: d.git.HostFingerprints(), AlertsSummary: d.notifier.Summary(),
		Secure: isHTTPS(d.ConsoleURL), Log: d.log,
	})
	return nil
}

// sbom writes the packages of a release as a document in one of two formats.
func sbom(format string, r deploy.Release, i deploy.Inventory) ([]byte, error) {
	s := packages.Subject{App: r.App, Release: r.Number, Image: r.Image, Made: r.CreatedAt, Tool: "teal-" + version}
	if format == "cyclonedx" {
		return packages.CycloneDX(s, i)
	}
	return packages.SPDX(s, i)
}

// notify is the part of the configuration that says how alerts travel.
func (c config) notify(log *slog.Logger) (notify.Config, error) {
	zone, err := c.location()
	if err != nil {
		return notify.Config{}, err
	}
	n := notify.Config{ServerName: c.sshHost(), TimeZone: zone, Log: log}
	if c.Mail.Host != "" {
		n.Mail = &notify.MailConfig{
			Host: c.Mail.Host, Port: c.Mail.Port, Username: c.Mail.Username, Password: c.Mail.Password,
			TLS: c.Mail.TLS, From: c.Mail.From, Timeout: c.Mail.Timeout, CAFile: c.Mail.CAFile,
		}
	}
	if c.Webhook.URL != "" {
		n.Webhook = &notify.WebhookConfig{URL: c.Webhook.URL, Secret: c.Webhook.Secret}
	}
	return n, n.Check()
}
