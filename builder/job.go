package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
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
	what       string        // for the history
	source     deploy.Source // the app's directory of the commit
	tree       *tree
	declared   declared
	plan       *plan // of what was detected; nil for an own Dockerfile
	bases      map[string]baseRef
	happenings *happenings // nil: nobody counts
	written    []namedFile // the whole context, in place of the commit's
	layer      []string    // the updates that it lays over an image: see labelBuildLayer
}

// Build implements deploy.Builder. An app that has updates laid over its image gets
// those again that it had.
func (b *Builder) Build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	built, err := b.build(ctx, req, log)
	if err != nil || !built.Settings.Patch.Layer {
		return built, err
	}
	return b.layeredAgain(ctx, req, built, log)
}

// build makes the image of the commit.
func (b *Builder) build(ctx context.Context, req deploy.BuildRequest, log io.Writer) (deploy.Built, error) {
	j := &job{Builder: b, req: req, log: log, progress: newProgress(log, b.config.MaxLogBytes)}
	if err := j.open(ctx); err != nil {
		return deploy.Built{}, err
	}
	if err := j.declared.complete(); err != nil {
		return deploy.Built{}, err
	}
	var err error
	if j.logins, err = readLogins(b.config.RegistryConfig); err != nil {
		return deploy.Built{}, err
	}
	ctx, cancel := j.bounded(ctx)
	defer cancel()
	if err := j.choose(ctx); err != nil {
		return deploy.Built{}, err
	}
	if err := j.prepareBases(ctx); err != nil {
		return deploy.Built{}, err
	}
	defer j.trimCache(ctx)()
	letGo, err := j.makeWay(ctx)
	if err != nil {
		return deploy.Built{}, err
	}
	defer letGo()
	defer j.watchHappenings(ctx)()
	image, err := j.solve(ctx)
	if err != nil {
		return deploy.Built{}, err
	}
	return deploy.Built{Image: image, Settings: j.manifest.Settings, What: j.what}, nil
}

// bounded gives the build as long as the app's settings say; 0: no bound of its own.
func (j *job) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := j.manifest.Settings.BuildTimeout
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	late := classed(deploy.ClassBuildTimeout, lateReason(timeout), "if it needs more, set [build] timeout in teal.toml", nil, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, timeout, late)
}

// open finds the app's directory and reads what the app says about itself: what
// others' files say goes over the server's defaults, and teal.toml over both.
func (j *job) open(ctx context.Context) (err error) {
	j.source = j.req.Source
	if j.manifest, err = readManifest(ctx, j.source, Manifest{Settings: j.req.Defaults}); err != nil {
		return err
	}
	root := j.manifest.Root
	if root != "" {
		j.source = subSource{j.req.Source, root + "/"}
	}
	if j.tree, err = newTree(ctx, j.source); err != nil {
		return err
	}
	if root != "" && len(j.tree.paths) == 0 {
		return failure(fmt.Sprintf("build.root in teal.toml is %q, and there are no files in it", root), "name the directory that the app lies in", nil, nil)
	}
	settings := j.req.Defaults
	if j.declared, err = declare(ctx, j.tree, &settings, j.req.Env); err != nil {
		return err
	}
	if j.manifest, err = readManifest(ctx, j.req.Source, Manifest{Settings: settings}); err != nil {
		return err
	}
	if root != "" {
		if j.manifest, err = readManifest(ctx, j.source, j.manifest); err != nil {
			return err
		}
	}
	if err := j.scaleWorkers(); err != nil {
		return err
	}
	if err := j.openCrons(); err != nil {
		return err
	}
	j.declared.standBy()
	return nil
}

// scaleWorkers takes how many of each process there are to be from teal.toml.
func (j *job) scaleWorkers() error {
	for _, name := range slices.Sorted(maps.Keys(j.manifest.formation)) {
		if !j.declared.scaleWorker(name, j.manifest.formation[name]) {
			return failure(fmt.Sprintf("%s: formation.%s: the Procfile has no such process", manifestName, name), "correct teal.toml or the Procfile, commit and push again", nil, nil)
		}
	}
	return nil
}

// openCrons takes the scheduled commands of teal.toml in place of others', and
// checks when they are to run.
func (j *job) openCrons() error {
	from := "app.json"
	if len(j.manifest.crons) > 0 {
		from = manifestName
		if len(j.declared.cron) > 0 {
			j.declared.note("cron of app.json is not used: teal.toml has [cron]")
		}
		j.declared.cron = j.manifest.crons
	}
	for _, c := range j.declared.cron {
		if !c.job.OnClock() || j.config.CheckCron == nil {
			continue
		}
		if err := j.config.CheckCron(c.job.Schedule); err != nil {
			why := strings.TrimPrefix(err.Error(), deploy.ErrBadName.Error()+": ")
			return failure(fmt.Sprintf("%s: scheduled command %s: %s", from, c.job.Name, why), "correct "+from+", commit and push again", nil, err)
		}
	}
	return nil
}

// readManifest reads teal.toml over what is known.
func readManifest(ctx context.Context, source deploy.Source, over Manifest) (Manifest, error) {
	text, err := source.ReadFile(ctx, manifestName, maxManifest)
	if errors.Is(err, deploy.ErrNotFound) {
		return over, nil
	}
	if err != nil {
		return over, fmt.Errorf("read %s: %w", manifestName, err)
	}
	m, err := parseManifest(text, over)
	if err != nil {
		return over, failure(err.Error(), "correct teal.toml, commit and push again", nil, err)
	}
	return m, nil
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
		upload:     j.upload(),
		dockerfile: dockerfile,
		target:     j.stage(),
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
		f := explain(failed, j.progress, j.happenings.tell())
		if heredoc.Match(j.dockerfile) && strings.Contains(f.Reason, "unknown instruction") {
			f.Reason += ", which may stand in a heredoc (<<): this Engine's reader of Dockerfiles knows none"
			f.Hint = `write it as RUN with && between the commands, or COPY a script; or update the Engine (23 and newer know them)`
		} else if j.reader != "" && strings.HasPrefix(f.Reason, "Dockerfile") {
			f.Hint = fmt.Sprintf("if that needs the reader %s, pin it by its digest: # syntax=%s@sha256:…", j.reader, j.reader)
		}
		j.sayFailure(f)
		return "", f
	case errors.As(err, &late) && errors.Is(late, context.DeadlineExceeded): // the build's own, as the context's cause
		f := explainLate(j.manifest.Settings.BuildTimeout, j.progress, j.happenings.tell())
		j.sayFailure(f)
		return "", f
	case errors.As(err, &late): // the commit itself
		j.sayFailure(late)
		return "", late
	case err != nil:
		return "", fmt.Errorf("build %s at %s: %w", j.req.App, j.req.Commit.Short(), err)
	}
	return image, nil
}

// stage is the one of the app's own Dockerfile that is built.
func (j *job) stage() string {
	if j.plan != nil || j.written != nil {
		return ""
	}
	return j.manifest.Stage
}

// upload writes the context.
func (j *job) upload() func(context.Context, io.Writer) error {
	if j.written != nil {
		return tarFiles(j.written...)
	}
	return j.context.write
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
	args := map[string]string{"BUILDKIT_CACHE_MOUNT_NS": j.caches + "-" + string(j.req.App)}
	for name, value := range j.manifest.Args {
		args[name] = value
	}
	return args
}

var heredoc = regexp.MustCompile(`(?mi)^\s*(?:RUN|COPY|ADD)\b.*<<-?["']?\w`)

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
