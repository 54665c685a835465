package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"teal/deploy"
)

// dataFlag is the one setting that every command shares.
type dataFlag struct {
	Data string `help:"Directory of everything that Teal keeps: teal.db, repos/, keys. Default: /var/lib/teal as root, else ~/.local/share/teal." placeholder:"DIR" env:"TEAL_DATA"`
}

// dir gives the data directory.
func (d dataFlag) dir() (string, error) {
	if d.Data != "" {
		return filepath.Abs(d.Data)
	}
	if os.Geteuid() == 0 {
		return "/var/lib/teal", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cannot find a place for the data: %w; say one with --data", err)
	}
	return filepath.Join(home, ".local", "share", "teal"), nil
}

// config is what "teal serve" can be told: by flag, by environment (TEAL_…), or
// in /etc/teal/teal.toml. Nothing has to be.
type config struct {
	dataFlag
	Domain string `help:"Apps are served at <app>.DOMAIN." default:"localhost" env:"TEAL_DOMAIN"`

	HTTP    string `help:"Address of the production front-end." default:":80" env:"TEAL_HTTP" name:"http"`
	HTTPS   string `help:"Address of the production front-end with TLS; used when --tls-cert or --acme-email is set." default:":443" env:"TEAL_HTTPS" name:"https"`
	Preview string `help:"Address of the preview front-end: the color that is not active." default:":8888" env:"TEAL_PREVIEW"`
	SSH     string `help:"Address for git push and commands." default:":2222" env:"TEAL_SSH" name:"ssh"`
	Console string `help:"Address of the console. Keep it on loopback, or put TLS in front of it." default:"127.0.0.1:3000" env:"TEAL_CONSOLE"`

	Metrics string `help:"Address of the metrics for Prometheus, at /metrics. No login guards them: keep it on loopback. off: none." default:"127.0.0.1:9180" env:"TEAL_METRICS"`

	SSHHost    string `help:"Host name that people reach the SSH address by, for hints. Default: DOMAIN." env:"TEAL_SSH_HOST" name:"ssh-host"`
	ConsoleURL string `help:"URL that people reach the console by. Default: http:// and its address." env:"TEAL_CONSOLE_URL" name:"console-url"`

	TLS     tlsConfig     `embed:"" prefix:"tls-"`
	ACME    acmeConfig    `embed:"" prefix:"acme-"`
	Mail    mailConfig    `embed:"" prefix:"mail-"`
	Webhook webhookConfig `embed:"" prefix:"webhook-"`
	App     appDefaults   `embed:"" prefix:"app-"`
	Git     gitConfig     `embed:"" prefix:"git-"`

	PatchSchedule string        `help:"When apps are rebuilt for security patches: a cron expression, or off." default:"30 3 * * *" env:"TEAL_PATCH_SCHEDULE"`
	PatchJitter   time.Duration `help:"Longest delay of an app's patch run after its time, so that not all come at once." default:"30m" env:"TEAL_PATCH_JITTER"`
	PatchWindow   string        `help:"When patch runs may begin, such as 02:00-05:00. Default: at any time." env:"TEAL_PATCH_WINDOW"`
	AptSources    []string      `help:"Lines of apt's sources.list, with {codename} for the release of Debian, in which patch runs look for updates. Default: those of teal/apt." env:"TEAL_APT_SOURCES" sep:";"`
	ApkMirror     string        `help:"URL of a mirror of Alpine's packages, by which patch runs tell what is out of date in Alpine images." env:"TEAL_APK_MIRROR"`
	CVEData       string        `help:"JSON document of Debian's security tracker (file, or URL of a mirror), by which holes that updates close are named." env:"TEAL_CVE_DATA" name:"cve-data"`
	TimeZone      string        `help:"Time zone of schedules and mails, such as Europe/Paris. Default: the machine's." env:"TEAL_TIME_ZONE"`

	DockerHost string `help:"Container engine. Default: DOCKER_HOST, or the local socket." env:"DOCKER_HOST"`
	Subnets    string `help:"Range that the apps' networks are carved from, a /26 each." default:"10.213.0.0/16" env:"TEAL_SUBNETS"`
	MaxBuilds  int    `help:"Builds that may run at once." default:"1" env:"TEAL_MAX_BUILDS"`
	CAFile     string `help:"Further certificate authorities (PEM) that builds trust, for networks whose proxy opens HTTPS." env:"TEAL_CA_FILE" name:"ca-file"`

	BuildMemory int `help:"Most memory of all builds together, MiB. Default: what the machine has free when a build begins, less a reserve." env:"TEAL_BUILD_MEMORY"`
	BuildCache  int `help:"Most disk of the build cache, MiB." default:"10240" env:"TEAL_BUILD_CACHE"`
	DiskFree    int `help:"What must be free on the images' disk for a build to begin, MiB; older releases make room." default:"1024" env:"TEAL_DISK_FREE"`
	DiskApp     int `help:"Most disk of one app's images, MiB; 0: no bound." default:"10240" env:"TEAL_DISK_APP"`
	DiskTotal   int `help:"Most disk of all apps' images, MiB; 0: no bound." default:"0" env:"TEAL_DISK_TOTAL"`
	DiskImages  int `help:"Most images of all apps; 0: no bound." default:"1000" env:"TEAL_DISK_IMAGES"`

	RegistryConfig string `help:"Docker configuration file (config.json) with credentials for registries that base images come from." env:"TEAL_REGISTRY_CONFIG"`
	RegistryMirror string `help:"Registry (host, or host:port) that has copies of Docker Hub's images; it is asked first." env:"TEAL_REGISTRY_MIRROR"`

	GoProxy string `help:"Go module proxy (URL) that the toolchain of teal/go comes from when this machine has no Go and no registry answers." env:"TEAL_GO_PROXY"`

	TrustedProxies []string `help:"Addresses or networks whose X-Forwarded-* headers are believed." env:"TEAL_TRUSTED_PROXIES"`
	ProxyProtocol  []string `help:"Addresses or networks of load balancers whose connections begin with a PROXY protocol header (v1 or v2)." env:"TEAL_PROXY_PROTOCOL"`
	AccessLog      string   `help:"File for the access log, JSON lines; - is standard output. Default: none." env:"TEAL_ACCESS_LOG"`
	AccessLogSize  int      `help:"Size, in MiB, at which the access log's file is rotated. 0: never." default:"100" env:"TEAL_ACCESS_LOG_SIZE"`
	AccessLogKeep  int      `help:"Rotated files of the access log that are kept." default:"5" env:"TEAL_ACCESS_LOG_KEEP"`
	DefaultApp     string   `help:"App that answers the hosts that no app has. Default: none, a page says so." env:"TEAL_DEFAULT_APP"`
	AdminKeys      string   `help:"File with the first admin's public keys. Default: the keys of the user who runs teal." env:"TEAL_ADMIN_KEYS"`
	LogFormat      string   `help:"text or json." default:"text" enum:"text,json" env:"TEAL_LOG_FORMAT"`
	LogLevel       string   `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error" env:"TEAL_LOG_LEVEL"`
}

type tlsConfig struct {
	Cert []string `help:"Own certificates (PEM files with their chain), which win for the names they are for." env:"TEAL_TLS_CERT"`
	Key  []string `help:"Their key files, in the same order." env:"TEAL_TLS_KEY"`
}

type acmeConfig struct {
	Email  string `help:"Contact for an ACME authority. Setting it agrees to its terms and has certificates asked for, for every host of an app." env:"TEAL_ACME_EMAIL"`
	CA     string `help:"Directory (URL) of the authority. Default: Let's Encrypt." env:"TEAL_ACME_CA" name:"ca"`
	CAFile string `help:"Further certificate authorities (PEM) to trust when asking it: one of your own network." env:"TEAL_ACME_CA_FILE" name:"ca-file"`
	KeyID  string `help:"Key identifier of an account that the authority has for you already." env:"TEAL_ACME_KEY_ID" name:"key-id"`
	MACKey string `help:"Its MAC key (base64url)." env:"TEAL_ACME_MAC_KEY" name:"mac-key"`
}

type mailConfig struct {
	Host     string        `help:"Mail server for alerts. Without it alerts stand in the console and the log." env:"TEAL_MAIL_HOST"`
	Port     int           `help:"Its port. Default: 587, 465 with tls, 25 with none." env:"TEAL_MAIL_PORT"`
	Username string        `help:"Name to log in with." env:"TEAL_MAIL_USERNAME"`
	Password string        `help:"Password to log in with." env:"TEAL_MAIL_PASSWORD"`
	TLS      string        `help:"starttls, tls or none." default:"starttls" enum:"starttls,tls,none" env:"TEAL_MAIL_TLS" name:"tls"`
	From     string        `help:"Sender. Default: teal@ and the SSH host." env:"TEAL_MAIL_FROM"`
	Timeout  time.Duration `help:"Limit of one delivery." default:"30s" env:"TEAL_MAIL_TIMEOUT"`
	CAFile   string        `help:"Further certificate authorities (PEM) to trust." env:"TEAL_MAIL_CA_FILE" name:"ca-file"`
}

type webhookConfig struct {
	URL    string `help:"Where alerts are posted as JSON." env:"TEAL_WEBHOOK_URL" name:"url"`
	Secret string `help:"Signs each post (HMAC-SHA256)." env:"TEAL_WEBHOOK_SECRET"`
}

// appDefaults are settings of an app whose teal.toml does not say.
type appDefaults struct {
	Grace        time.Duration `help:"How long a replaced color keeps running." default:"5m" env:"TEAL_APP_GRACE"`
	Drain        time.Duration `help:"How long requests in flight may take after a switch." default:"30s" env:"TEAL_APP_DRAIN"`
	Stop         time.Duration `help:"SIGTERM to SIGKILL." default:"10s" env:"TEAL_APP_STOP"`
	StartTimeout time.Duration `help:"From container start to the first good answer." default:"60s" env:"TEAL_APP_START_TIMEOUT"`
	BuildTimeout time.Duration `help:"Limit of a build." default:"20m" env:"TEAL_APP_BUILD_TIMEOUT"`
	Memory       int           `help:"Memory of an instance, MiB." default:"512" env:"TEAL_APP_MEMORY"`
	CPUs         float64       `help:"Cores of an instance." default:"2" env:"TEAL_APP_CPUS" name:"cpus"`
	Watch        time.Duration `help:"How long a new release is compared with the one it replaced; a regression goes back. 0s: not at all." default:"5m" env:"TEAL_APP_WATCH"`
	Hold         time.Duration `help:"How long requests may wait while a single-writer app is replaced." default:"1m" env:"TEAL_APP_HOLD"`
	CheckEvery   time.Duration `help:"How often the router looks at an instance that runs. 0s: not at all." default:"5s" env:"TEAL_APP_CHECK_EVERY"`
	Keep         int           `help:"Releases whose image is kept beside the live and the previous one." default:"5" env:"TEAL_APP_KEEP"`
}

// settings are the defaults as the core wants them.
func (a appDefaults) settings() (deploy.Settings, error) {
	s := deploy.DefaultSettings()
	s.Grace, s.Drain, s.Stop = a.Grace, a.Drain, a.Stop
	s.StartTimeout, s.BuildTimeout = a.StartTimeout, a.BuildTimeout
	s.Memory, s.CPUs, s.Keep = int64(a.Memory)<<20, a.CPUs, a.Keep
	s.Watch, s.Hold, s.CheckInterval = a.Watch, a.Hold, a.CheckEvery
	if a.Watch < 0 || a.CheckEvery < 0 || a.Hold < 2*time.Second {
		return s, errors.New("--app-watch and --app-check-every can't be negative, --app-hold must be 2s or more")
	}
	for _, d := range []time.Duration{a.Drain, a.Stop, a.StartTimeout, a.BuildTimeout} {
		if d <= 0 {
			return s, errors.New("--app-drain, --app-stop, --app-start-timeout and --app-build-timeout must be longer than nothing")
		}
	}
	if a.Grace < 0 || a.Keep < 0 || a.Memory < 6 || a.CPUs <= 0 {
		return s, errors.New("--app-grace and --app-keep can't be negative, --app-memory must be 6 or more, --app-cpus above 0")
	}
	return s, nil
}

// networks reads a setting that lists addresses and networks.
func networks(flag string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if addr, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither an address nor a network such as 10.0.0.0/8", flag, s)
		}
		out = append(out, p)
	}
	return out, nil
}

// defaultApp is the app that answers the hosts that nobody has; "" for none.
func (c config) defaultApp() (deploy.AppName, error) {
	if c.DefaultApp == "" {
		return "", nil
	}
	app, err := deploy.ParseAppName(c.DefaultApp)
	if err != nil {
		return "", fmt.Errorf("--default-app: %w", err)
	}
	return app, nil
}

// location is the time zone of schedules.
func (c config) location() (*time.Location, error) {
	if c.TimeZone == "" {
		return time.Local, nil
	}
	l, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("--time-zone: %q is not known here; use a name such as Europe/Paris", c.TimeZone)
	}
	return l, nil
}

// configPaths is where a configuration file may lie.
func configPaths() []string {
	if p := os.Getenv("TEAL_CONFIG"); p != "" {
		return []string{p}
	}
	return []string{"/etc/teal/teal.toml"}
}

// configFile reads a TOML file whose keys are the flags' names; tables are
// joined with "-": [mail] host is mail-host.
func configFile(r io.Reader) (kong.Resolver, error) {
	var doc map[string]any
	if err := toml.NewDecoder(r).Decode(&doc); err != nil {
		return nil, fmt.Errorf("the configuration file is not TOML: %w", err)
	}
	values := map[string]any{}
	flatten("", doc, values)
	// Builds' settings may stand together: [builder] ca_file is ca-file.
	for key, v := range maps.Clone(values) {
		if short, ok := strings.CutPrefix(key, "builder-"); ok {
			values[short] = v
			delete(values, key)
		}
	}
	return &resolver{values: values}, nil
}

func flatten(prefix string, doc, into map[string]any) {
	for key, v := range doc {
		key = prefix + strings.ReplaceAll(key, "_", "-")
		if table, ok := v.(map[string]any); ok {
			flatten(key+"-", table, into)
			continue
		}
		into[key] = v
	}
}

type resolver struct{ values map[string]any }

// Validate refuses keys that no flag has: a typing error must not pass for a default.
func (r *resolver) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, node := range app.Leaves(false) {
		for _, flags := range node.AllFlags(false) {
			for _, f := range flags {
				known[f.Name] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		if !known[key] {
			return fmt.Errorf("the configuration file sets %q, which does not exist; see teal serve --help for the names", key)
		}
	}
	return nil
}

// Resolve gives the file's value for a flag.
func (r *resolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := r.values[flag.Name]
	if !ok {
		return nil, nil
	}
	// kong lets a resolver win over the environment; people expect it the other
	// way round, and "docker run -e" has to.
	for _, name := range flag.Tag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if list, ok := v.([]any); ok {
		words := make([]string, len(list))
		for i, w := range list {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, ","), nil
	}
	return fmt.Sprint(v), nil
}
