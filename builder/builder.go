package builder

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// Config is what a Builder is made of.
type Config struct {
	// Engine is the connection to the container engine. Required.
	Engine *client.Client
	// Namespace names this installation of Teal: several may share an Engine.
	// It is the value of the label teal.namespace. Required; as app names are.
	Namespace string
	// CAFile is a file of further certificate authorities (PEM) that builds trust
	// beside the host's own, for a company whose proxy opens HTTPS; "": none. Builds
	// with a Dockerfile get the whole bundle as the secret "ca".
	CAFile string
	// RegistryConfig is a Docker configuration file with credentials for registries,
	// as "docker login" writes it; it is read anew when needed. "": none.
	RegistryConfig string
	// Mirror is the host of a registry that has copies of Docker Hub's images; it
	// is asked first. "": none.
	Mirror string
	// CheckCron checks the schedule of a command; its error is for people, and wraps
	// deploy.ErrBadName. nil: any is taken.
	CheckCron func(schedule string) error
	// CacheDir is where a copy of what CVEData names is kept, when that is a URL. It
	// is made when needed, and nothing is lost with it.
	CacheDir string
	// MaxLogBytes is how much of a build's output goes to its log; 0: 4 MiB.
	MaxLogBytes int64
	// MaxMemory is a ceiling for all builds together, in bytes, below what the
	// machine has free; 0: that alone counts.
	MaxMemory int64
	// MinFreeDisk is how many bytes must be free where the Engine keeps images
	// for a build to begin; 0: 1 GiB.
	MinFreeDisk int64
	// MaxCache is how many bytes of BuildKit's cache stay when it is trimmed, which is
	// while a build runs, at most every 5 minutes; 0: 10 GiB. Until then it may be more.
	MaxCache int64
	Log      *slog.Logger     // nil: slog.Default
	Now      func() time.Time // the clock; nil: time.Now

	// GoImage and DebianImage are the official images that teal/go and teal/base
	// are made from where a registry answers; "": golang:1.26, debian:bookworm-slim.
	GoImage     string
	DebianImage string
	// DebianSuite is bootstrapped for teal/base where none does; "": bookworm.
	DebianSuite string
	// GoProxy is the URL of a Go module proxy, from which the toolchain for
	// teal/go comes when there is neither a registry nor a Go on the host; "": none.
	GoProxy string

	// AptSources are lines of apt's sources.list (5) with {codename} for the release of
	// Debian: where patch runs look for updates. None: those of teal/apt.
	AptSources []string
	// ApkMirror is the URL of a mirror of Alpine's packages, by whose index what is
	// out of date in Alpine images is told; "": that can't be told.
	ApkMirror string
	// CVEData is the file, or the URL of a mirror, of the JSON document of Debian's
	// security tracker; "": which holes an update closes is not told.
	CVEData string

	meminfo string        // /proc/meminfo, but in tests
	groups  string        // cgroupRoot, but in tests
	program string        // Teal's own, but in tests: see holder
	starved time.Duration // 30 s, but in tests: see hunger
}

func (c Config) withDefaults() Config {
	set := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	set(&c.GoImage, "golang:1.26")
	set(&c.DebianImage, "debian:bookworm-slim")
	set(&c.DebianSuite, "bookworm")
	if c.MaxLogBytes == 0 {
		c.MaxLogBytes = 4 << 20
	}
	set(&c.meminfo, "/proc/meminfo")
	set(&c.groups, cgroupRoot)
	set(&c.program, "/proc/self/exe")
	if c.starved == 0 {
		c.starved = 30 * time.Second
	}
	if c.MinFreeDisk == 0 {
		c.MinFreeDisk = 1 << 30
	}
	if c.MaxCache == 0 {
		c.MaxCache = 10 << 30
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Builder turns commits into images. It has no state of its own beside what
// was learned of registries: images and their labels are the truth.
type Builder struct {
	config Config
	stack  *Stack
	caches string // begins the name space of every app's cache mounts; tests share one

	holding     sync.Mutex // held while the holder's image is made
	programHash string     // of config.program; guarded by holding

	fetching sync.Mutex // held while data of the security tracker is fetched

	mu      sync.Mutex
	trimmed time.Time          // when the build cache was last looked at; guarded by mu
	info    *system.Info       // of the Engine, once it was asked; guarded by mu
	layers  map[string][]layer // by image, which never change; guarded by mu
	latest  latestList         // guarded by mu
}

var _ deploy.Builder = (*Builder)(nil)

// New makes a Builder. It starts nothing and asks nothing of the Engine.
func New(c Config) *Builder {
	c = c.withDefaults()
	b := &Builder{config: c, stack: newStack(c), caches: "teal-" + c.Namespace, layers: map[string][]layer{}}
	b.stack.makeWay = b.makeWay
	return b
}

func newStack(c Config) *Stack {
	return &Stack{
		engine: c.Engine, namespace: c.Namespace, aptSources: c.AptSources, log: c.Log, now: c.Now, limit: c.MaxLogBytes,
		registryConfig: c.RegistryConfig, mirror: c.Mirror,
		caFile: c.CAFile, goImage: c.GoImage, goProxy: c.GoProxy, debianImage: c.DebianImage, debianSuite: c.DebianSuite,
		prefix: stackPrefix, warm: goWarm, variant: essential,
		turn: make(chan struct{}, 1), checked: map[string]time.Time{}, answered: map[string]answer{}, archived: map[string]archived{}, unknown: map[string]bool{},
	}
}

// Stack gives the stack images that builds use.
func (b *Builder) Stack() *Stack { return b.stack }

// engineInfo gives what the Engine says of itself; it is asked once.
func (b *Builder) engineInfo(ctx context.Context) (system.Info, error) {
	b.mu.Lock()
	known := b.info
	b.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	info, err := b.config.Engine.Info(ctx)
	if err != nil {
		return system.Info{}, engineError(ctx, b.config.Engine, err)
	}
	b.mu.Lock()
	b.info = &info
	b.mu.Unlock()
	return info, nil
}
