package deploy

import (
	"fmt"
	"time"
)

// Release is *what* to run: an image with the settings and the environment it
// is run with. It is immutable once created and numbered per app from 1, so
// "v14" names one thing for ever. A changed environment makes a new release of
// the same image.
type Release struct {
	App       AppName
	Number    int
	Commit    Commit
	Image     string // content address of the image ("sha256:…")
	Settings  Settings
	Env       map[string]string
	CreatedAt time.Time
	CreatedBy string // user name; "" for a security patch
	Cause     Cause
	// Gone is set when retention has removed the image: the record stays for the
	// history, but the release can't be rolled back to.
	Gone bool
}

// Name is how people write the release: "v14".
func (r Release) Name() string { return ReleaseName(r.Number) }

// ReleaseName writes a release number the way people do: "v14".
func ReleaseName(n int) string { return fmt.Sprintf("v%d", n) }

// Commit names a commit and what a person wants to read about it.
type Commit struct {
	ID      string // 40 hex digits
	Author  string // "Name <mail>", cleaned of control characters
	Subject string // first line of the message, cleaned
	At      time.Time
}

// Short is the abbreviated commit ID, 7 digits.
func (c Commit) Short() string {
	if len(c.ID) < 7 {
		return c.ID
	}
	return c.ID[:7]
}

// Settings are what an app says about itself (teal.toml) on top of the
// server's defaults, as they were when the release was made.
type Settings struct {
	Instances      int           `json:"instances"`       // containers of each color, 1 to MaxInstances
	Release        []string      `json:"release"`         // argv of the release command; empty: none
	ReleaseTimeout time.Duration `json:"release_timeout"` // its hard limit

	// Web is the argv of the web process; empty: what the image itself says.
	Web []string `json:"web,omitempty"`
	// Workers are the processes beside web. They start and stop with their
	// color: web and workers are switched as one unit.
	Workers []Process `json:"workers,omitempty"`
	// Cron are commands that run on a schedule, in the active color only.
	Cron []CronJob `json:"cron,omitempty"`

	// Env is the environment that the app declares (app.json); the app's own, as
	// "config set" has it, goes over it. It is in the repository: no secrets.
	Env map[string]string `json:"env,omitempty"`
	// Secrets names what is to be in the environment with a value that nobody
	// knows: Teal makes one when the app has none, and it stays.
	Secrets []string `json:"secrets,omitempty"`

	// Expect is what must answer in place of ProbePath before the release is
	// promoted, at most MaxExpect; the router's own checks go by ProbePath.
	Expect []Expectation `json:"expect,omitempty"`

	ProbePath     string        `json:"probe_path"`     // begins with "/"
	ProbeInterval time.Duration `json:"probe_interval"` // between two tries
	ProbeTimeout  time.Duration `json:"probe_timeout"`  // of one try
	StartTimeout  time.Duration `json:"start_timeout"`  // from container start to the first good answer

	Grace time.Duration `json:"grace"` // how long a replaced color keeps running
	Drain time.Duration `json:"drain"` // how long requests in flight may take after a switch
	Stop  time.Duration `json:"stop"`  // SIGTERM to SIGKILL

	Memory int64   `json:"memory"` // bytes per instance
	CPUs   float64 `json:"cpus"`   // cores per instance
	PIDs   int64   `json:"pids"`   // processes and threads per instance

	// Gradual are the steps of a gradual promotion: percent of new requests,
	// rising, each for Dwell; empty: the switch is made at once.
	Gradual []int         `json:"gradual,omitempty"`
	Dwell   time.Duration `json:"dwell,omitempty"`
	// Watch is how long errors and latency of a new release are compared with
	// those of the one it replaced; a regression switches back. 0: not at all.
	Watch time.Duration `json:"watch,omitempty"`
	// SingleWriter: never two releases at once. Requests wait, at most Hold,
	// while the old color stops and the new one starts and probes.
	SingleWriter bool          `json:"single_writer,omitempty"`
	Hold         time.Duration `json:"hold,omitempty"`
	Sticky       bool          `json:"sticky,omitempty"`   // clients stay on their instance
	Redirect     bool          `json:"redirect,omitempty"` // http is redirected to https, for hosts that have a certificate
	// Protocol is what the app speaks on its port.
	Protocol Protocol `json:"protocol,omitempty"`
	// CheckInterval is how often the router looks at a running instance, at
	// ProbePath; 0: it does not.
	CheckInterval time.Duration `json:"check_interval,omitempty"`

	// Volumes are directories that outlive every instance, by name: where they
	// are in the container. Both colors see the same ones.
	Volumes map[string]string `json:"volumes,omitempty"`
	Patch   PatchSettings     `json:"patch,omitzero"`
	Migrate MigrateSettings   `json:"migrate,omitzero"`

	BuildTimeout time.Duration `json:"build_timeout"`
	Keep         int           `json:"keep"` // releases whose image is kept, the live and previous ones not counted
}

// Expectation is a request that must be answered well: with a status below 400
// and, if Text is set, with that text in the first MiB of the answer.
type Expectation struct {
	Path string `json:"path"`           // begins with "/"
	Host string `json:"host,omitempty"` // "": the app's own
	Text string `json:"text,omitempty"`
}

// Process is one kind of process of an app beside web: a queue's worker, say.
// It gets no requests and is not probed.
type Process struct {
	Name      string   `json:"name"`      // of the Procfile: a letter, then letters, digits, "-" and "_"; at most 40 bytes
	Argv      []string `json:"argv"`      // takes the place of the image's entrypoint and command; never empty
	Instances int      `json:"instances"` // containers of each color, 0 (declared, not run) to MaxInstances
}

// CronJob is a command that runs on a schedule in a container of the active
// release, and of that color only.
type CronJob struct {
	Name     string        `json:"name"`     // unique in the app; spelled as a Process's
	Schedule string        `json:"schedule"` // five fields, "*/10 * * * *", in the server's time zone; or "@hourly", "@daily", …; or CronDeploy, CronFirstDeploy, CronManual
	Argv     []string      `json:"argv"`     // takes the place of the image's entrypoint and command; never empty
	Timeout  time.Duration `json:"timeout"`  // of one run; above 0
}

// Limits on settings.
const (
	MaxInstances = 10
	MaxWorkers   = 20 // kinds of processes beside web
	MaxCron      = 50
	MaxExpect    = 20
	// Port is the one an app listens on; it is in the environment as PORT too.
	Port = 8080
)

// DefaultSettings are those of an app that says nothing.
func DefaultSettings() Settings {
	return Settings{
		Instances:      1,
		ReleaseTimeout: 10 * time.Minute,
		ProbePath:      "/",
		ProbeInterval:  500 * time.Millisecond,
		ProbeTimeout:   2 * time.Second,
		StartTimeout:   60 * time.Second,
		Grace:          5 * time.Minute,
		Drain:          30 * time.Second,
		Stop:           10 * time.Second,
		Memory:         512 << 20,
		CPUs:           2,
		PIDs:           512,
		BuildTimeout:   20 * time.Minute,
		Keep:           5,
		Redirect:       true,
		Dwell:          time.Minute,
		Watch:          5 * time.Minute,
		Hold:           time.Minute,
		CheckInterval:  5 * time.Second,
	}
}
