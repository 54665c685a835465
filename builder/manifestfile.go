package builder

import (
	"errors"
	"time"

	"teal/deploy"
)

// manifestFile is the file as it is decoded. A nil pointer: not set.
type manifestFile struct {
	Instances      *int64    `toml:"instances"`
	Release        any       `toml:"release"`
	ReleaseTimeout *duration `toml:"release_timeout"`
	Keep           *int64    `toml:"keep"`
	Promote        *string   `toml:"promote"`
	Strategy       *string   `toml:"strategy"`
	Build          struct {
		Dockerfile *string           `toml:"dockerfile"`
		Target     *string           `toml:"target"`
		Root       *string           `toml:"root"`
		Language   *string           `toml:"language"`
		Main       *string           `toml:"main"`
		Timeout    *duration         `toml:"timeout"`
		Args       map[string]string `toml:"args"`
	} `toml:"build"`
	Probe struct {
		Path         *string   `toml:"path"`
		Interval     *duration `toml:"interval"`
		Timeout      *duration `toml:"timeout"`
		StartTimeout *duration `toml:"start_timeout"`
		Check        *lapse    `toml:"check_interval"`
	} `toml:"probe"`
	Switch struct {
		Grace *duration `toml:"grace"`
		Drain *duration `toml:"drain"`
		Stop  *duration `toml:"stop"`
		Steps *[]int64  `toml:"steps"`
		Dwell *duration `toml:"dwell"`
		Watch *lapse    `toml:"watch"`
		Hold  *duration `toml:"hold"`
	} `toml:"switch"`
	Limits struct {
		Memory *size    `toml:"memory"`
		CPUs   *float64 `toml:"cpus"`
		PIDs   *int64   `toml:"pids"`
	} `toml:"limits"`
	Volumes   map[string]string   `toml:"volumes"`
	Patch     patchKeys           `toml:"patch"`
	Migrate   migrateKeys         `toml:"migrate"`
	Formation map[string]int64    `toml:"formation"`
	Cron      map[string]cronFile `toml:"cron"`
	Router    struct {
		Sticky   *bool   `toml:"sticky"`
		Protocol *string `toml:"protocol"`
		Redirect *bool   `toml:"redirect"`
	} `toml:"router"`
}

// manifestKeys are the keys that a misspelled one is compared with.
var manifestKeys = []string{
	"instances", "release", "release_timeout", "keep", "promote", "strategy",
	"build", "build.dockerfile", "build.target", "build.root", "build.language", "build.main", "build.timeout", "build.args",
	"probe", "probe.path", "probe.interval", "probe.timeout", "probe.start_timeout", "probe.check_interval",
	"switch", "switch.grace", "switch.drain", "switch.stop", "switch.steps", "switch.dwell", "switch.watch", "switch.hold",
	"volumes", "formation", "cron", "cron.name.schedule", "cron.name.command", "cron.name.timeout",
	"router", "router.sticky", "router.redirect", "router.protocol",
	"limits", "limits.memory", "limits.cpus", "limits.pids",
	"patch", "patch.mode", "patch.window", "patch.scope", "patch.layer", "patch.tell",
	"migrate", "migrate.mark", "migrate.rollback",
}

// overlay checks what is set and puts it over the defaults.
func (m *Manifest) overlay(f manifestFile) error {
	if f.Probe.Path != nil {
		m.Settings.Expect = nil // of app.json or CHECKS
	}
	if f.Cron != nil {
		m.crons = nil // the table as a whole goes over that of a file above
	}
	s := &m.Settings
	return errors.Join(first(
		number("instances", f.Instances, 1, deploy.MaxInstances, func(n int64) { s.Instances = int(n) }),
		release(f.Release, &s.Release),
		span("release_timeout", f.ReleaseTimeout, time.Second, 24*time.Hour, &s.ReleaseTimeout),
		number("keep", f.Keep, 0, 100, func(n int64) { s.Keep = int(n) }),
		repoFile("build.dockerfile", f.Build.Dockerfile, &m.Dockerfile),
		stageName(f.Build.Target, &m.Stage),
		repoDir("build.root", f.Build.Root, &m.Root),
		word(f.Build.Language, &m.Language),
		mainPackage(f.Build.Main, &m.Main),
		span("build.timeout", f.Build.Timeout, 10*time.Second, 24*time.Hour, &s.BuildTimeout),
		buildArgs(f.Build.Args, &m.Args),
		probePath(f.Probe.Path, &s.ProbePath),
		span("probe.interval", f.Probe.Interval, 50*time.Millisecond, time.Minute, &s.ProbeInterval),
		span("probe.timeout", f.Probe.Timeout, 50*time.Millisecond, 5*time.Minute, &s.ProbeTimeout),
		span("probe.start_timeout", f.Probe.StartTimeout, time.Second, time.Hour, &s.StartTimeout),
		span("probe.check_interval", f.Probe.Check.unlessOff(&s.CheckInterval), time.Second, time.Hour, &s.CheckInterval),
		span("switch.grace", f.Switch.Grace, 0, 168*time.Hour, &s.Grace),
		span("switch.drain", f.Switch.Drain, 0, time.Hour, &s.Drain),
		span("switch.stop", f.Switch.Stop, 0, 10*time.Minute, &s.Stop),
		span("switch.dwell", f.Switch.Dwell, time.Second, 24*time.Hour, &s.Dwell),
		span("switch.watch", f.Switch.Watch.unlessOff(&s.Watch), 10*time.Second, 24*time.Hour, &s.Watch),
		span("switch.hold", f.Switch.Hold, 2*time.Second, 10*time.Minute, &s.Hold),
		gradual(f.Promote, f.Switch.Steps, s),
		strategy(f.Strategy, s),
		memory(f.Limits.Memory, &s.Memory),
		cpus(f.Limits.CPUs, &s.CPUs),
		number("limits.pids", f.Limits.PIDs, 8, 1000000, func(n int64) { s.PIDs = n }),
		volumes(f.Volumes, &s.Volumes),
		scales(f.Formation, &m.formation),
		crons(f.Cron, &m.crons),
		choice(f.Router.Sticky, &s.Sticky),
		choice(f.Router.Redirect, &s.Redirect),
		oneOf("router.protocol", f.Router.Protocol, &s.Protocol, "http/1.1", deploy.H2C, deploy.GRPC),
		f.Patch.overlay(&s.Patch),
		f.Migrate.overlay(&s.Migrate),
	))
}
