package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"teal/deploy"
)

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
	reader     string // of the Dockerfile, which it asked for and did not get; "": it asked for none
	logins     logins
	what       string // for the history
}

// Build implements deploy.Builder.
func (b *Builder) Build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	j := &job{Builder: b, req: req, log: log, progress: newProgress(log, b.config.MaxLogBytes)}
	if err := j.readManifest(ctx); err != nil {
		return deploy.Built{}, err
	}
	var err error
	if j.logins, err = readLogins(b.config.RegistryConfig); err != nil {
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
	j.trimCache(ctx)
	letGo, err := j.makeWay(ctx)
	if err != nil {
		return deploy.Built{}, err
	}
	defer letGo()
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
	if reachesOut(text) {
		return failure(name+" has a cache mount with \"..\" in it, which could name another app's cache", "give the mount a plain id", nil, nil)
	}
	ignore, err := readIgnore(ctx, j.req.Source, name, nil)
	if err != nil {
		return err
	}
	j.what = name
	j.context = buildContext{source: j.req.Source, ignore: ignore, always: name}
	if j.dockerfile, j.reader, err = settleSyntax(name, text); err != nil {
		return err
	}
	j.progress.say("found %s", name)
	if j.reader != "" {
		j.progress.say("# syntax=%s is not pinned by a digest: the Engine's own reader is used", deploy.Clean(j.reader, 120))
		j.context.always, j.context.dockerfile = generatedName, j.dockerfile
	}
	return nil
}

// chooseDetected goes by what lies in the tree.
func (j *job) chooseDetected(ctx context.Context) error {
	t, err := newTree(ctx, j.req.Source)
	if err != nil {
		return err
	}
	t.main = j.manifest.Main
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
		j.progress.say("%s", strings.TrimRight("   | "+line, " \n"))
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
		args:       j.args(),
		labels:     j.labels(),
		tags:       []string{building},
		secrets:    j.secrets(bundle),
		logins:     j.logins,
		noCache:    j.req.NoCache,
		log:        j.config.Log,
	}.run(ctx, j.progress)
	if err == nil {
		err = j.name(ctx, image, building)
	}
	if err != nil {
		// The Engine may have finished just when it was told to stop.
		defer j.unname(ctx, building)
	}
	var failed *solveError
	var late *deploy.Failure
	switch {
	case errors.As(err, &failed):
		f := explain(failed, j.progress)
		if j.reader != "" && strings.HasPrefix(f.Reason, "Dockerfile") {
			f.Hint = fmt.Sprintf("if that needs the reader %s, pin it by its digest: # syntax=%s@sha256:…", j.reader, j.reader)
		}
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
	return image, nil
}

// secrets are what RUN --mount=type=secret,id=… can have: the app's build
// secrets, and "ca", the bundle of certificate authorities.
func (j *job) secrets(bundle []byte) map[string][]byte {
	all := map[string][]byte{"ca": bundle}
	for name, value := range j.req.Secrets {
		all[name] = []byte(value)
	}
	return all
}

// args are the build arguments: the app's own, and the name space of its cache
// mounts, so that no app sees or poisons the cache of another one.
func (j *job) args() map[string]string {
	args := map[string]string{"BUILDKIT_CACHE_MOUNT_NS": "teal-" + j.config.Namespace + "-" + string(j.req.App)}
	for name, value := range j.manifest.Args {
		args[name] = value
	}
	return args
}

// sayFailure ends the log with the reason and, unless they stand right above,
// the failed step's last lines: the end is where people look.
func (j *job) sayFailure(f *deploy.Failure) {
	p := j.progress
	above := !p.cut && p.latest != nil && p.latest == p.failed()
	p.last("build failed: %s", f.Reason)
	if above {
		return
	}
	for _, line := range f.Log {
		p.last("   | %s", line)
	}
}
