package builder

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"teal/deploy"
)

// manifestName is the file in which an app says what it wants.
const manifestName = "teal.toml"

// maxManifest is the longest teal.toml that is read.
const maxManifest = 64 << 10

// Manifest is what an app's teal.toml says, laid over the server's defaults. The
// file lies at the root of the repository; it may be missing, and every key in
// it may be missing. Keys that are not listed here are an error, so that a
// misspelled one is not silently without effect.
//
//	instances = 2                    # containers of each color, 1 to 10
//	release = "/app migrate --all"   # run once in the new image before anything is switched;
//	                                 # words as in a shell but without one: 'a b' and "a b" are one word.
//	release = ["/app", "migrate"]    # the same as a list, nothing is split
//	release_timeout = "10m"          # its limit, 1s to 24h
//	keep = 5                         # older releases whose image is kept, 0 to 100
//	promote = "gradual"              # in steps, see [switch]; "at-once" is the default
//	strategy = "single-writer"       # never two releases at once: requests wait while one takes
//	                                 # the other's place; "blue-green" is the default
//
//	[build]
//	dockerfile = "docker/Dockerfile" # default: Dockerfile, and without one what Teal finds
//	root = "services/shop"           # directory of the app in the repository; its own teal.toml goes over this one
//	language = "node"                # without a Dockerfile, when several would do: go, rust, java, php, ruby, python, node, static, procfile
//	main = "./cmd/web"               # Go without a Dockerfile: the package to build, when there are several
//	timeout = "20m"                  # 10s to 24h
//	args = { FLAVOR = "plain" }      # ARGs of the Dockerfile; readable in the image's history: no secrets
//
//	[probe]
//	path = "/healthz"                # what must answer with a status below 400; begins with "/"
//	interval = "500ms"               # between two tries, 50ms to 1m
//	timeout = "2s"                   # of one try, 50ms to 5m
//	start_timeout = "60s"            # from start to the first good answer, 1s to 1h
//	check_interval = "5s"            # how often the router looks at an instance that runs, 1s to 1h, or "off"
//
//	[switch]
//	grace = "5m"                     # how long the replaced color keeps running, 0s to 168h
//	drain = "30s"                    # how long requests in flight may take after a switch, 0s to 1h
//	stop = "10s"                     # SIGTERM to SIGKILL, 0s to 10m
//	steps = [10, 50]                 # percent of new requests, rising, 1 to 99; with promote = "gradual"
//	dwell = "1m"                     # how long each step lasts, 1s to 24h
//	watch = "5m"                     # how long a new release is compared with the old one, 10s to 24h, or "off"
//	hold = "60s"                     # how long requests may wait for a single writer, 2s to 10m
//
//	[limits]                         # of each instance
//	memory = "512MiB"                # 16MiB to 1TiB; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024
//	cpus = 1.5                       # cores, 0.05 to 512
//	pids = 512                       # processes and threads, 8 to 1000000
//
//	[volumes]                        # directories that outlive every release; both colors see the same
//	data = "/data"                   # name and place; at most 10
//
//	[cron.nightly]                   # a command on a schedule; it runs in the live release only
//	schedule = "30 3 * * *"          # minute, hour, day of month, month, weekday; "@daily"; CRON_TZ=Area/City before it;
//	                                 # "@deploy": when a release has become live; "@first-deploy": the first one only
//	command = "bin/clean --all"      # a line as in a Procfile, or a list of words
//	timeout = "1h"                   # of one run, 1s to 24h
//
//	[router]
//	sticky = true                    # a client stays on its instance (cookie)
//	redirect = true                  # http is redirected to https, for hosts that have a certificate
//	protocol = "h2c"                 # the app speaks HTTP/2 without TLS, not "http/1.1"; "grpc": and is probed for its gRPC health
//
//	[patch]                          # security patches by schedule
//	mode = "auto"                    # "notify" tells of updates and deploys nothing, "off" does not look
//	scope = "all"                    # "security": only when an update comes from a security archive
//	window = "02:00-05:00"           # when a run may begin, by the server's clock
//	layer = true                     # lay updates over the image of a Dockerfile whose base does not have them
//	tell = true                      # a mail for each patch that went live, not for failed ones alone
//
//	[migrate]
//	mark = "split-names"             # change it with the database: releases with another mark can't live with that
//	rollback = "warn"                # "block": a rollback to another mark is refused
type Manifest struct {
	Settings   deploy.Settings
	Dockerfile string            // "" when the file does not say
	Root       string            // directory of the app; "" for the repository's own
	Language   string            // the only row of the table that is asked: "node"; "" when the file does not say
	Main       string            // Go main package, "./cmd/web"; "" when the file does not say
	Args       map[string]string // build arguments

	crons []declaredCron // of [cron]
}

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
	Volumes map[string]string   `toml:"volumes"`
	Patch   patchKeys           `toml:"patch"`
	Migrate migrateKeys         `toml:"migrate"`
	Cron    map[string]cronFile `toml:"cron"`
	Router  struct {
		Sticky   *bool   `toml:"sticky"`
		Protocol *string `toml:"protocol"`
		Redirect *bool   `toml:"redirect"`
	} `toml:"router"`
}

// manifestKeys are the keys that a misspelled one is compared with.
var manifestKeys = []string{
	"instances", "release", "release_timeout", "keep", "promote", "strategy",
	"build", "build.dockerfile", "build.root", "build.language", "build.main", "build.timeout", "build.args",
	"probe", "probe.path", "probe.interval", "probe.timeout", "probe.start_timeout", "probe.check_interval",
	"switch", "switch.grace", "switch.drain", "switch.stop", "switch.steps", "switch.dwell", "switch.watch", "switch.hold",
	"volumes", "cron", "cron.name.schedule", "cron.name.command", "cron.name.timeout",
	"router", "router.sticky", "router.redirect", "router.protocol",
	"limits", "limits.memory", "limits.cpus", "limits.pids",
	"patch", "patch.mode", "patch.window", "patch.scope", "patch.layer", "patch.tell",
	"migrate", "migrate.mark", "migrate.rollback",
}

// ParseManifest reads a teal.toml over the defaults. The error is one line for
// the person who wrote the file.
func ParseManifest(data []byte, defaults deploy.Settings) (Manifest, error) {
	return parseManifest(data, Manifest{Settings: defaults})
}

// parseManifest reads a teal.toml over another one.
func parseManifest(data []byte, m Manifest) (Manifest, error) {
	var file manifestFile
	decoder := toml.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return Manifest{}, manifestError(err)
	}
	if err := m.overlay(file); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, nil
}

// wrongType is how the decoder says that a value has the wrong type, with Go's words.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into`)

// manifestError puts the decoder's error into words.
func manifestError(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		key := strings.Join(first.Key(), ".")
		line, _ := first.Position()
		if near := nearest(key, manifestKeys); near != "" {
			return fmt.Errorf("%s line %d: there is no key %q; is %q meant?", manifestName, line, deploy.Clean(key, 60), near)
		}
		return fmt.Errorf("%s line %d: there is no key %q", manifestName, line, deploy.Clean(key, 60))
	}
	text := deploy.Clean(strings.TrimPrefix(err.Error(), "toml: "), 200)
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, _ := decode.Position()
		if m := wrongType.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%s cannot be a bare %s", deploy.Clean(strings.Join(decode.Key(), "."), 60), m[1])
		}
		return fmt.Errorf("%s line %d: %s", manifestName, line, text)
	}
	return fmt.Errorf("%s: %s", manifestName, text)
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
		crons(f.Cron, &m.crons),
		choice(f.Router.Sticky, &s.Sticky),
		choice(f.Router.Redirect, &s.Redirect),
		oneOf("router.protocol", f.Router.Protocol, &s.Protocol, "http/1.1", deploy.H2C, deploy.GRPC),
		f.Patch.overlay(&s.Patch),
		f.Migrate.overlay(&s.Migrate),
	))
}

// first gives the first error: one thing to correct at a time, in the file's order.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func number(key string, value *int64, low, high int64, set func(int64)) error {
	if value == nil {
		return nil
	}
	if *value < low || *value > high {
		return fmt.Errorf("%s = %d is out of range: %d to %d", key, *value, low, high)
	}
	set(*value)
	return nil
}

// choice takes a yes or no, which can't be out of range.
func choice(value, to *bool) error {
	if value != nil {
		*to = *value
	}
	return nil
}

func span(key string, value *duration, low, high time.Duration, to *time.Duration) error {
	if value == nil {
		return nil
	}
	d := value.Duration
	if d < low || d > high {
		return fmt.Errorf("%s = %q is out of range: %s to %s", key, d, low, high)
	}
	*to = d
	return nil
}

func memory(value *size, to *int64) error {
	if value == nil {
		return nil
	}
	if value.bytes < 16<<20 || value.bytes > 1<<40 {
		return fmt.Errorf("limits.memory is %d bytes, which is out of range: 16MiB to 1TiB", value.bytes)
	}
	*to = value.bytes
	return nil
}

func cpus(value *float64, to *float64) error {
	if value == nil {
		return nil
	}
	if !(*value >= 0.05 && *value <= 512) { // not a number is refused too
		return fmt.Errorf("limits.cpus = %v is out of range: 0.05 to 512", *value)
	}
	*to = *value
	return nil
}

// release takes a command as a string, which is split, or as a list.
func release(value any, to *[]string) error {
	var argv []string
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		words, err := splitArgv(v)
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		argv = words
	case []any:
		for _, item := range v {
			word, ok := item.(string)
			if !ok {
				return fmt.Errorf("release: every item of the list must be a string")
			}
			argv = append(argv, word)
		}
	default:
		return fmt.Errorf("release must be a string or a list of strings")
	}
	if len(argv) > 256 || slices.ContainsFunc(argv, func(w string) bool { return strings.ContainsRune(w, 0) }) {
		return fmt.Errorf("release has more than 256 words, or a zero byte in one")
	}
	if len(argv) > 0 && argv[0] == "" {
		return fmt.Errorf("release: its first word, the command, is empty")
	}
	*to = argv
	return nil
}

// repoFile checks the path of a file in the repository.
func repoFile(key string, value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil || clean == "." {
		return fmt.Errorf("%s = %q is not the path of a file in the repository", key, deploy.Clean(*value, 80))
	}
	*to = clean
	return nil
}

// repoDir checks the path of a directory in the repository; the root is "".
func repoDir(key string, value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil {
		return fmt.Errorf("%s = %q is not a directory in the repository", key, deploy.Clean(*value, 80))
	}
	if *to = clean; clean == "." {
		*to = ""
	}
	return nil
}

func mainPackage(value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil {
		return fmt.Errorf("build.main = %q is not a directory in the repository: write it like \"./cmd/web\"", deploy.Clean(*value, 80))
	}
	*to = clean
	return nil
}

func probePath(value *string, to *string) error {
	if value == nil {
		return nil
	}
	if !strings.HasPrefix(*value, "/") || deploy.Clean(*value, 1024) != *value || strings.ContainsAny(*value, " #") {
		return fmt.Errorf("probe.path = %q is not a path: it begins with \"/\" and has no spaces, e.g. \"/healthz\"", deploy.Clean(*value, 80))
	}
	*to = *value
	return nil
}

var argName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func buildArgs(args map[string]string, to *map[string]string) error {
	if len(args) > 100 {
		return fmt.Errorf("build.args has %d entries: at most 100", len(args))
	}
	for name := range args {
		if !argName.MatchString(name) {
			return fmt.Errorf("build.args: %q is not a name for an ARG: letters, digits and '_'", deploy.Clean(name, 60))
		}
		if strings.HasPrefix(name, "BUILDKIT_") {
			return fmt.Errorf("build.args: %s is not for apps to set", name)
		}
	}
	*to = args
	return nil
}

// word takes a value that is checked where it is used.
func word(value *string, to *string) error {
	if value != nil {
		*to = strings.ToLower(*value)
	}
	return nil
}
