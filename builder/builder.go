package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

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
	// MaxLogBytes is how much of a build's output goes to its log; 0: 4 MiB.
	MaxLogBytes int64
	Log         *slog.Logger     // nil: slog.Default
	Now         func() time.Time // the clock; nil: time.Now

	// GoImage and DebianImage are the official images that teal/go and teal/base
	// are made from where a registry answers; "": golang:1.26, debian:bookworm-slim.
	GoImage     string
	DebianImage string
	// DebianSuite is bootstrapped for teal/base where none does; "": bookworm.
	DebianSuite string
	// GoProxy is the address of the Go module proxy that the toolchain for teal/go
	// comes from when there is neither a registry nor a Go on the host; "": the
	// public one.
	GoProxy string
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
	set(&c.GoProxy, "https://proxy.golang.org")
	if c.MaxLogBytes == 0 {
		c.MaxLogBytes = 4 << 20
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
}

var _ deploy.Builder = (*Builder)(nil)

// New makes a Builder. It starts nothing and asks nothing of the Engine.
func New(c Config) *Builder {
	c = c.withDefaults()
	return &Builder{config: c, stack: newStack(c)}
}

// NewStack makes the set of stack images alone, for a command that only makes those.
func NewStack(c Config) *Stack { return newStack(c.withDefaults()) }

func newStack(c Config) *Stack {
	return &Stack{
		engine: c.Engine, log: c.Log, now: c.Now, limit: c.MaxLogBytes,
		caFile: c.CAFile, goImage: c.GoImage, goProxy: c.GoProxy, debianImage: c.DebianImage, debianSuite: c.DebianSuite,
		prefix: stackPrefix, warm: goWarm, variant: essential,
		turn: make(chan struct{}, 1), checked: map[string]time.Time{}, answered: map[string]answer{},
	}
}

// Stack gives the stack images that builds use.
func (b *Builder) Stack() *Stack { return b.stack }

// maxDockerfile is the longest Dockerfile that is read.
const maxDockerfile = 1 << 20

// job is one build on its way.
type job struct {
	*Builder
	req        deploy.BuildRequest
	log        io.Writer
	progress   *progress
	manifest   Manifest
	dockerfile []byte
	context    buildContext
	what       string // for the history
}

// Build implements deploy.Builder.
func (b *Builder) Build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	j := &job{Builder: b, req: req, log: log, progress: newProgress(log, b.config.MaxLogBytes)}
	if err := j.readManifest(ctx); err != nil {
		return deploy.Built{}, err
	}
	timeout := j.manifest.Settings.BuildTimeout
	late := failure(fmt.Sprintf("the build took longer than %s and was stopped", timeout),
		"if it needs more, set [build] timeout in teal.toml", nil, context.DeadlineExceeded)
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, late)
		defer cancel()
	}
	if err := j.choose(ctx); err != nil {
		return deploy.Built{}, err
	}
	if err := j.prepareBases(ctx); err != nil {
		return deploy.Built{}, err
	}
	image, err := j.solve(ctx)
	if err != nil {
		return deploy.Built{}, err
	}
	return deploy.Built{Image: image, Settings: j.manifest.Settings, What: j.what}, nil
}

// readManifest reads teal.toml over the defaults.
func (j *job) readManifest(ctx context.Context) error {
	j.manifest.Settings = j.req.Defaults
	text, err := j.req.Source.ReadFile(ctx, manifestName, maxManifest)
	if errors.Is(err, deploy.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", manifestName, err)
	}
	if j.manifest, err = ParseManifest(text, j.req.Defaults); err != nil {
		return failure(err.Error(), "correct teal.toml, commit and push again", nil, err)
	}
	return nil
}

// choose finds the Dockerfile, or writes one.
func (j *job) choose(ctx context.Context) error {
	name := j.manifest.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	text, err := j.req.Source.ReadFile(ctx, name, maxDockerfile)
	switch {
	case err == nil:
		return j.chooseOwn(ctx, name, text)
	case !errors.Is(err, deploy.ErrNotFound):
		return fmt.Errorf("read %s: %w", name, err)
	case j.manifest.Dockerfile != "":
		return failure(fmt.Sprintf("teal.toml names the Dockerfile %s, which is not in the commit", name),
			"commit it, or correct [build] dockerfile", nil, nil)
	default:
		return j.chooseDetected(ctx)
	}
}

// chooseOwn is for a repository that brings a Dockerfile.
func (j *job) chooseOwn(ctx context.Context, name string, text []byte) error {
	ignore, err := readIgnore(ctx, j.req.Source, name, nil)
	if err != nil {
		return err
	}
	j.what = name
	j.dockerfile = text
	j.context = buildContext{source: j.req.Source, ignore: ignore, always: name}
	j.progress.say("found %s", name)
	return nil
}

// chooseDetected goes by what lies in the tree.
func (j *job) chooseDetected(ctx context.Context) error {
	t, err := newTree(ctx, j.req.Source)
	if err != nil {
		return err
	}
	t.app, t.main, t.scope = j.req.App, j.manifest.Main, j.scope()
	p, err := detect(ctx, t)
	if err != nil {
		return err
	}
	ignore, err := readIgnore(ctx, j.req.Source, "Dockerfile", p.omit)
	if err != nil {
		return err
	}
	j.what = p.what
	j.dockerfile = []byte(p.dockerfile)
	j.context = buildContext{source: j.req.Source, ignore: ignore, always: generatedName, dockerfile: j.dockerfile}
	for _, line := range p.why {
		j.progress.say("%s", line)
	}
	j.progress.say("Dockerfile written for it:")
	for line := range strings.Lines(p.dockerfile) {
		j.progress.say("%s", strings.TrimRight("   | "+strings.TrimSpace(line), " "))
	}
	return nil
}

// scope is the prefix of the app's own build caches.
func (j *job) scope() string { return "teal-" + j.config.Namespace + "-" + string(j.req.App) }

// prepareBases has the stack images ready that the Dockerfile uses, and, when
// the request says so, looks for newer bases.
func (j *job) prepareBases(ctx context.Context) error {
	var ours, others []string
	for _, ref := range fromRefs(j.dockerfile, j.manifest.Args) {
		if strings.HasPrefix(ref, stackPrefix) {
			ours = append(ours, ref)
		} else {
			others = append(others, ref)
		}
	}
	if _, err := j.stack.wanted(ours); err != nil {
		return failure(err.Error(), "use one of those, or another base image", nil, err)
	}
	if len(ours) > 0 {
		if err := j.stack.Ensure(ctx, j.log, ours...); err != nil {
			return err
		}
	}
	if !j.req.Refresh {
		return nil
	}
	if len(ours) > 0 {
		if _, err := j.stack.refresh(ctx, j.log, false, ours...); err != nil {
			return err
		}
	}
	return j.refreshOthers(ctx, others)
}

// refreshOthers pulls the bases from outside anew. Where that does not work the
// copy that is here does, and the log says so; with none, the build will tell.
func (j *job) refreshOthers(ctx context.Context, refs []string) error {
	for _, ref := range refs {
		_, err := j.stack.remoteDigest(ctx, ref)
		if err == nil {
			err = j.stack.pull(ctx, ref)
		}
		switch {
		case err == nil:
			j.progress.say("base image %s: pulled", ref)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, deploy.ErrEngineAway):
			return err
		default:
			j.progress.say("base image %s: cannot look for a newer one, going on with the one that is here: %s", ref, unwrapped(err.Error()))
		}
	}
	return nil
}

// solve runs the build and names the image.
func (j *job) solve(ctx context.Context) (string, error) {
	bundle, err := caBundle(j.config.CAFile)
	if err != nil {
		j.config.Log.Warn("builds get no certificate authorities", "app", j.req.App, "error", err)
	}
	dockerfile := j.context.always
	building := j.tag("building-" + randomID()[:12])
	image, err := solve{
		engine:     j.config.Engine,
		upload:     j.context.write,
		dockerfile: dockerfile,
		args:       j.manifest.Args,
		labels:     j.labels(),
		tags:       []string{building},
		secrets:    map[string][]byte{"ca": bundle},
		noCache:    j.req.NoCache,
		log:        j.config.Log,
	}.run(ctx, j.progress)
	var failed *solveError
	var late *deploy.Failure
	switch {
	case errors.As(err, &failed):
		f := explain(failed, j.progress)
		j.sayFailure(f)
		return "", f
	case errors.As(err, &late): // the build's own deadline, as the context's cause
		stopped := *late
		stopped.Log = j.progress.running()
		j.sayFailure(&stopped)
		return "", &stopped
	case err != nil:
		return "", fmt.Errorf("build %s at %s: %w", j.req.App, j.req.Commit.Short(), err)
	}
	return image, j.name(ctx, image, building)
}

// sayFailure repeats the failed step's last lines at the end of the log, where
// people look.
func (j *job) sayFailure(f *deploy.Failure) {
	j.progress.last("build failed: %s", f.Reason)
	for _, line := range f.Log {
		j.progress.last("   | %s", line)
	}
}
