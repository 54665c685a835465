package deploytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// ImageBytes is what every image takes.
const ImageBytes = 100 << 20

// World is what outlives an engine: the store, the container engine with its
// images and instances, and the repositories.
type World struct {
	t       testing.TB
	Store   *Store
	Runtime *Runtime
	// Settings are those of every app, from the next Open on.
	Settings deploy.Settings
	// Building, when set, is called in each build, before its effect.
	Logs     []io.Writer // further ones that the daemons log to
	Building func(ctx context.Context, req deploy.BuildRequest, log io.Writer) error
	// Pending, when set, says what is out of date in an image.
	Pending func(image string) deploy.Pending
	// Once, when set, runs what is run in throw-away containers.
	Once func(ctx context.Context, r deploy.Release, argv []string, log io.Writer) (deploy.Exit, error)
	// Removing, when set, is called before an image is removed.
	Removing func(image string)
	// MaxBuilds is how many builds may run at once, from the next Open on; 0: one.
	MaxBuilds int
	// Budget bounds the images of every app, from the next Open on.
	Budget deploy.Budget
	// Disk is how many images the disk has room for; 0: any number.
	Disk int
	// Repositories, when set, have the commits and the refs, in place of the
	// World's own.
	Repositories deploy.Repositories
	// Now is the engines' clock; nil: time.Now.
	Now func() time.Time

	shelf   *shelf
	mu      sync.Mutex
	commits map[string]deploy.Commit // by ID
	refs    map[string]string
	images  map[string]deploy.Image
	held    bool // no image can be removed
	bases   int  // counts refreshed base images: part of what an image is made of
	stop    func()
}

// How long a release may take to become well, unless a test says otherwise; and
// one of which it is known that it never does.
const (
	startTimeout  = 20 * time.Second
	brokenTimeout = 3 * time.Second
)

// New makes a world with one app, "shop", that nobody has pushed to.
func New(t testing.TB) *World {
	s := deploy.DefaultSettings()
	s.StartTimeout, s.ProbeInterval, s.ProbeTimeout = startTimeout, 5*time.Millisecond, 10*time.Second
	s.Drain = 5 * time.Second
	w := &World{
		t: t, Store: newStore(t), Runtime: newRuntime(t), Settings: s,
		commits: map[string]deploy.Commit{}, refs: map[string]string{}, images: map[string]deploy.Image{}, shelf: newShelf(),
	}
	w.Store.PutApp(deploy.App{Name: "shop"})
	t.Cleanup(func() {
		w.Close()
		w.Runtime.close()
	})
	return w
}

// Daemon is one life of the engine.
type Daemon struct {
	*deploy.Engine
	Router *Router
	g      *generation
	w      *World
}

// Open starts an engine on the world, after closing the one before.
func (w *World) Open() *Daemon {
	w.t.Helper()
	return w.OpenWith(func(*Daemon) {})
}

// OpenWith is Open with faults that are planned before the engine runs.
func (w *World) OpenWith(plan func(*Daemon)) *Daemon {
	w.t.Helper()
	w.Close()
	settings := w.Settings
	a := &adapters{generation: newGeneration(), w: w, r: newRouter(w.t)}
	e := deploy.New(deploy.Config{
		Store: storeAdapter{a}, Repositories: reposAdapter{a}, Builder: builderAdapter{a},
		Runtime: runtimeAdapter{a}, Bench: benchAdapter{a}, Router: routerAdapter{a}, Patcher: patcherAdapter{a}, Inventories: w.shelf, Patches: w.shelf,
		Domain: "test", Defaults: &settings, Budget: w.Budget, MaxBuilds: w.MaxBuilds, Probe: a.probe, Now: w.Now,
		Observe: time.Millisecond, Trial: time.Millisecond, Retry: time.Millisecond, Pace: 2 * time.Millisecond,
		Crons: storeAdapter{a},
		Log:   slog.New(slog.NewTextHandler(io.MultiWriter(append(w.Logs, testWriter{w.t})...), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	d := &Daemon{Engine: e, Router: a.r, g: a.generation, w: w}
	plan(d)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	w.stop = func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, ErrDead) && !errors.Is(err, ErrFault) {
				w.t.Errorf("engine: %v", err)
			}
		case <-time.After(20 * time.Second):
			w.t.Error("the engine did not end")
		}
	}
	return d
}

// Close ends the engine that runs, if any.
func (w *World) Close() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// Push commits text and pushes it to shop: "broken" in it makes an app that
// answers 500, "exits" one that ends at once, "fails to build" one that can't be
// built; "errs" one that is well and answers 500 to all but its probe;
// "gradual" is promoted step by step, "single" is a single writer.
func (d *Daemon) Push(ctx context.Context, text string, o deploy.Options) (deploy.Deployment, error) {
	return d.Receive(ctx, d.w.Commit(text, o))
}

// Commit makes a commit and the push that brings it.
func (w *World) Commit(text string, o deploy.Options) deploy.Push {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprintf("%040x", len(w.commits)+0xabc0001)
	c := deploy.Commit{ID: id, Author: "Anna <anna@example.org>", Subject: text}
	w.commits[id] = c
	return deploy.Push{App: "shop", Ref: "refs/heads/main", New: id, Commit: c, By: "anna", Options: o}
}

// Ref gives the subject of the commit that shop's main points at.
func (w *World) Ref() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commits[w.refs["refs/heads/main"]].Subject
}

// RefreshBases makes every later refreshed build give another image.
func (w *World) RefreshBases() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bases++
}

// HoldImages is a person's own container on every image: none can be removed.
func (w *World) HoldImages() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = true
}

// Images gives how many images there are.
func (w *World) Images() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.images)
}

// RemoveImages removes all images, as someone who cleans up by hand would.
func (w *World) RemoveImages() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.images)
}

func (w *World) source(commit string) (deploy.Source, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.commits[commit]
	if !ok {
		return nil, deploy.ErrNotFound
	}
	return tree(c.Subject), nil
}

func (w *World) advance(p deploy.Push) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refs[p.Ref] = p.New
	return nil
}

func (w *World) build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	if w.Building != nil {
		if err := w.Building(ctx, req, log); err != nil {
			return deploy.Built{}, err
		}
	}
	if ctx.Err() != nil {
		return deploy.Built{}, ctx.Err()
	}
	text := req.Commit.Subject
	fmt.Fprintf(log, "building %s\n", text)
	if strings.Contains(text, "fails to build") {
		return deploy.Built{}, &deploy.Failure{Step: deploy.StepBuild, Reason: "step 3/4 ended with exit code 1", Hint: "look at the step's output"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	image := fmt.Sprintf("sha256:%s/%d", text, w.bases)
	if _, there := w.images[image]; !there {
		w.images[image] = deploy.Image{ID: image, App: req.App, Bytes: ImageBytes, CreatedAt: w.now()}
	}
	s := req.Defaults
	if strings.Contains(text, "broken") && s.StartTimeout == startTimeout {
		s.StartTimeout = brokenTimeout
	}
	if strings.Contains(text, "thrice") {
		s.Instances = 3
	}
	if strings.Contains(text, "gradual") {
		s.Gradual, s.Dwell = []int{10, 50}, 20*time.Millisecond
	}
	s.SingleWriter = s.SingleWriter || strings.Contains(text, "single")
	if strings.Contains(text, "hasty") {
		s.Drain = time.Nanosecond
	}
	if strings.Contains(text, "workers") {
		s.Workers = []deploy.Process{{Name: "mailer", Argv: []string{"mail"}, Instances: 2}}
	}
	if strings.Contains(text, "cron") {
		s.Cron = []deploy.CronJob{
			{Name: "nightly", Schedule: "30 3 * * *", Argv: []string{"nightly"}, Timeout: time.Minute},
			{Name: "after", Schedule: deploy.CronDeploy, Argv: []string{"after"}, Timeout: time.Minute},
			{Name: "once", Schedule: deploy.CronFirstDeploy, Argv: []string{"once"}, Timeout: time.Minute},
		}
	}
	if strings.Contains(text, "brief cron") {
		s.Cron[0].Timeout = 20 * time.Millisecond
	}
	if _, mark, ok := strings.Cut(text, "mark "); ok {
		s.Migrate = deploy.MigrateSettings{Mark: mark, Block: strings.Contains(text, "blocks")}
	}
	if strings.Contains(text, "migrates badly") {
		s.Release = []string{"fail"}
	} else if strings.Contains(text, "migrates") {
		s.Release = []string{"migrates"}
	}
	return deploy.Built{Image: image, Settings: s, What: "test"}, nil
}

// HasImage tells whether the image is there.
func (w *World) HasImage(image string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, there := w.images[image]
	return there
}

// PutImage adds an image of shop that no release names, made at the time.
func (w *World) PutImage(id string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images[id] = deploy.Image{ID: id, App: "shop", Bytes: ImageBytes, CreatedAt: at}
}

// PutForeignImage adds an image that is not ours: a Builder does not list it.
func (w *World) PutForeignImage(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images[id] = deploy.Image{ID: id}
}

func (w *World) allImages() (ours []deploy.Image, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.images {
		if i.App != "" {
			ours = append(ours, i)
		}
	}
	return ours, nil
}

// short is what is missing on a disk that has room for w.Disk images.
func (w *World) short() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Disk == 0 {
		return 0
	}
	return max(0, int64(len(w.images)+1-w.Disk)*ImageBytes)
}

func (w *World) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

func (w *World) removeImage(image string) error {
	if w.Removing != nil {
		w.Removing(image)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		return deploy.ErrBusy
	}
	delete(w.images, image)
	return nil
}

// tree is a Source with one file.
type tree string

func (t tree) Files(context.Context) ([]deploy.File, error) {
	return []deploy.File{{Path: "app", Mode: fs.ModePerm, Size: int64(len(t))}}, nil
}

func (t tree) ReadFile(_ context.Context, path string, _ int64) ([]byte, error) {
	if path != "app" {
		return nil, deploy.ErrNotFound
	}
	return []byte(t), nil
}
func (t tree) Tar(context.Context, io.Writer, func(string) bool) error { return nil }
func (t tree) Close() error                                            { return nil }

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
