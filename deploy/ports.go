package deploy

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// The interfaces that the core calls. Adapters satisfy them and import nothing
// of each other. Every method may be called from several goroutines, honors
// its context, and wraps ErrNotFound, ErrConflict or ErrEngineAway where the
// comment says so.

// Source is the tree of one commit, read from git objects and never checked
// out. It is valid until Close.
type Source interface {
	// Files lists every file of the tree, sorted by path: symbolic links too,
	// directories not. Submodules are entries with Mode fs.ModeIrregular.
	Files(ctx context.Context) ([]File, error)
	// ReadFile gives a regular file's bytes; ErrNotFound when the path is not
	// there or is no regular file, an error when it is longer than limit bytes.
	ReadFile(ctx context.Context, path string, limit int64) ([]byte, error)
	// Tar writes the files for which keep returns true (nil: all) as a tar
	// stream: exact names, executable bits and symbolic links, owner 0:0, the
	// commit's time. Directories are implied by their files.
	Tar(ctx context.Context, w io.Writer, keep func(path string) bool) error
	Close() error
}

// File is one entry of a tree.
type File struct {
	Path string // slash-separated, relative
	Mode fs.FileMode
	Size int64
}

// Repositories gives the engine commits to build and moves refs. Met by gitserver.
type Repositories interface {
	// Source opens the tree of a commit; ErrNotFound when the repository does not have it.
	Source(ctx context.Context, app AppName, commit string) (Source, error)
	// Advance moves the push's ref to push.New, whatever it points at now, and
	// is durable when it returns. Doing it again is no error.
	Advance(ctx context.Context, push Push) error
	// Forget removes the app's repository. A missing one is no error.
	Forget(ctx context.Context, app AppName) error
}

// BuildRequest is what the builder gets.
type BuildRequest struct {
	App      AppName
	Source   Source
	Commit   Commit
	Defaults Settings          // to be overlaid with the repository's teal.toml
	Secrets  map[string]string // for the build only: never in the image, its history or a log
	Env      []string          // names of what is in the app's environment
	NoCache  bool
	// Refresh: look for newer base images first (a patch run). Without it a
	// build uses the base images that are there.
	Refresh bool
}

// Built is what comes out.
type Built struct {
	Image    string // content address, "sha256:…": equal bits, equal address
	Settings Settings
	What     string // one line for the history: "Dockerfile", "Go 1.26: go.mod found"
}

// Image is an image that was built for an app.
type Image struct {
	ID        string
	App       AppName
	Bytes     int64 // on disk, not counting what other images have in common with it
	CreatedAt time.Time
}

// Builder turns the tree of a commit into an image, and owns the images.
type Builder interface {
	// Build writes readable progress to log, line by line, and returns a
	// *Failure (Step StepBuild, Reason and Hint filled) when the app's own
	// files are at fault. When ctx ends the build really stops within seconds.
	// The image stays until RemoveImage.
	Build(ctx context.Context, req BuildRequest, log io.Writer) (Built, error)
	// RemoveImage removes an image that Build made for the app. One that is not
	// there any more is no error; one that a container was made from is left: ErrBusy.
	RemoveImage(ctx context.Context, app AppName, image string) error
	// Images lists all images that Build made and that are still there, those of
	// builds that were cut short too.
	Images(ctx context.Context) ([]Image, error)
	// Short gives how many bytes are missing on the images' disk for a build to
	// begin; 0: enough is free, or it can't be seen from here.
	Short(ctx context.Context) (int64, error)
}

// Runtime runs releases. Labels on the containers are the truth, so a Runtime
// has no memory: a new one on the same Engine knows the same.
type Runtime interface {
	// Start makes the Spec true: all instances of the release exist in that
	// color and run, those of workers only if the Spec says so. Those that run are left alone, stopped ones are started
	// again, missing ones are created; ones of the release in the other color
	// are removed first. It returns them in order of Index when all
	// run (which does not mean that they answer). On error nothing is undone; the
	// caller removes. ErrNotFound: the image is gone.
	Start(ctx context.Context, spec Spec) ([]Instance, error)
	// Stop sends SIGTERM to every instance of the release, SIGKILL after
	// timeout, and keeps the containers for Start. Stopped ones are no error.
	Stop(ctx context.Context, app AppName, release int, timeout time.Duration) error
	// StopWorkers does the same to the instances of the release's workers alone.
	StopWorkers(ctx context.Context, app AppName, release int, timeout time.Duration) error
	// Remove stops (at once) and removes every instance of the release. None is no error.
	Remove(ctx context.Context, app AppName, release int) error
	// List gives every instance of every app that the Engine has, running or
	// not. ErrEngineAway when the Engine does not answer.
	List(ctx context.Context) ([]Instance, error)
}

// Bench is what the core needs of the runtime beside running releases.
type Bench interface {
	// Once runs argv in a throw-away container of the release's image, on the
	// app's network, with the release's environment, output to log, and removes
	// it. An exit code other than 0 is not an error.
	Once(ctx context.Context, release Release, argv []string, log io.Writer) (Exit, error)
	// Tail gives the last n lines that an instance wrote, oldest first.
	Tail(ctx context.Context, in Instance, n int) ([]string, error)
	// Changes tells when the set of instances may have changed by itself: one
	// ended, the Engine came back. Sends may be merged. Closed when ctx ends.
	Changes(ctx context.Context) <-chan struct{}
	// Forget removes what belongs to the app beside instances: its network.
	Forget(ctx context.Context, app AppName) error
}

// Router sends requests to instances. Its table is memory: the engine fills it
// with the same function at start and at every switch.
type Router interface {
	// Point replaces the app's route in one atomic step. It can't fail. No
	// request starts on a backend that the new route does not name.
	Point(r Route)
	// Drain waits until no request is in flight on the release (which is no
	// longer pointed at by production), and returns the number that were still
	// unanswered when ctx ended; those are cut. Upgraded connections and event
	// streams are not waited for.
	Drain(ctx context.Context, app AppName, release int) (cut int)
	// Release closes what is left open to the release (upgraded and idle
	// connections, event streams): called just before its instances are stopped.
	Release(ctx context.Context, app AppName, release int)
	// Figures gives what was counted for the release; zero for one never seen.
	Figures(app AppName, release int) Figures
	// Remove takes the app out of the table.
	Remove(app AppName)
}

// Store keeps the facts. The parts below are for reading; the machine needs all of it.
type Store interface {
	Apps
	Releases
	Deployments
	Logbook
}

// Apps stores apps.
type Apps interface {
	// App gives one app; ErrNotFound.
	App(ctx context.Context, name AppName) (App, error)
	// Apps gives all of them, by name.
	Apps(ctx context.Context) ([]App, error)
	// Stage records which release is staged on the idle color (0: none); ErrNotFound.
	Stage(ctx context.Context, app AppName, release int) error
	// DeleteApp removes the app and everything that hangs on it but the audit
	// records; ErrNotFound.
	DeleteApp(ctx context.Context, name AppName) error
}

// Releases stores releases.
type Releases interface {
	// CreateRelease gives the release the app's next number and stores it.
	CreateRelease(ctx context.Context, r Release) (Release, error)
	// Release gives one; ErrNotFound.
	Release(ctx context.Context, app AppName, number int) (Release, error)
	// Releases gives an app's releases, newest first.
	Releases(ctx context.Context, app AppName) ([]Release, error)
	// MarkGone records that the release's image was removed.
	MarkGone(ctx context.Context, app AppName, number int) error
}

// Deployments stores deployments and holds the commit point.
type Deployments interface {
	// CreateDeployment stores a new one with its first event and returns it with ID and Version.
	CreateDeployment(ctx context.Context, d Deployment, text string) (Deployment, error)
	// UpdateDeployment stores the deployment and its event, and, when alert is
	// not nil, one outbox row per channel, in one transaction; ErrConflict
	// when d.Version is not the stored one. An alert whose Episode is there
	// already is dropped. Durable when d.State.Ended(). Returns d with its
	// new Version. It refuses to carry a deployment over the bar: Activate does.
	UpdateDeployment(ctx context.Context, d Deployment, text string, alert *Alert) (Deployment, error)
	// Activate is THE commit. In one durable transaction: the app's Active goes
	// from `from` to d.Color (ErrConflict when it is not `from`, or d.Version is
	// stale), Live becomes d.Release, Previous what Live was (0 when it was 0),
	// ReplacedAt d.PromotedAt, Staged 0, PatchPinned true for a rollback and
	// false for a push; d is stored in state Promoting, with Replaces; the
	// deployment that was live becomes Warm, earlier Warm and Asleep ones of the
	// app Replaced, each with a new Version.
	Activate(ctx context.Context, from Color, d Deployment, text string) (Deployment, error)
	// Deployment gives one; ErrNotFound.
	Deployment(ctx context.Context, id DeploymentID) (Deployment, error)
	// Open gives every deployment that is not settled, oldest first: all whose
	// State is Running or Staged, and the Live, Warm and Asleep ones.
	Open(ctx context.Context) ([]Deployment, error)
}

// Logbook stores what was said.
type Logbook interface {
	// AppendLog adds lines to a deployment's log. Lines that are there already (by N) are dropped.
	AppendLog(ctx context.Context, id DeploymentID, lines []LogLine) error
	// AddEvent stores an event that changes no state.
	AddEvent(ctx context.Context, e Event) error
}
