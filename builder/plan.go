package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"teal/deploy"
)

// plan is how a tree without a Dockerfile is built.
type plan struct {
	kind       string   // row of the table, for labels: "node"
	what       string   // for the history: "Go 1.26: go.mod found"
	why        []string // for the log: one finding a line
	warn       []string // for the log: what the app's people should know
	dockerfile string
	omit       []string // patterns of files that are not sent, as in .dockerignore
	on         string   // the image that it runs on: "teal/node:24", "scratch"
	paths      []string // see labelBuildPaths
	assets     bool     // package.json has its part in it
	// resolve makes another line of one of a Procfile, where the language runs it
	// in its own way; nil: it stays.
	resolve func(line string) string
}

// take adds what is to be said of the assets.
func (p *plan) take(a *assets) {
	if a != nil {
		p.assets = true
		p.why, p.warn = append(p.why, a.why...), append(p.warn, a.warn...)
	}
}

// choose finds the Dockerfile, or writes one, and what the app declares beside it.
func (j *job) choose(ctx context.Context) error {
	name := j.manifest.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	text, err := j.source.ReadFile(ctx, name, maxDockerfile)
	switch {
	case err == nil:
		err = j.chooseOwn(ctx, name, text)
	case !errors.Is(err, deploy.ErrNotFound):
		return fmt.Errorf("read %s: %w", name, err)
	case j.manifest.Dockerfile != "":
		return failure(fmt.Sprintf("teal.toml names the Dockerfile %s, which is not in the commit", name),
			"commit it, or correct [build] dockerfile", nil, nil)
	default:
		err = j.chooseDetected(ctx)
	}
	return err
}

// chooseOwn is for a repository that brings a Dockerfile.
func (j *job) chooseOwn(ctx context.Context, name string, text []byte) error {
	if reachesOut(text) {
		return failure(name+" has a cache mount with \"..\" in it, which could name another app's cache", "give the mount a plain id", nil, nil)
	}
	ignore, err := readIgnore(ctx, j.source, name, nil)
	if err != nil {
		return err
	}
	j.what = name
	j.context = buildContext{source: j.source, ignore: ignore, always: name}
	if j.dockerfile, j.reader, err = settleSyntax(name, text); err != nil {
		return err
	}
	j.progress.say("found %s", name)
	if j.reader != "" {
		j.progress.say("# syntax=%s is not pinned by a digest: the Engine's own reader is used", deploy.Clean(j.reader, 120))
		j.context.always, j.context.dockerfile = generatedName, j.dockerfile
	}
	if j.declared.web != "" {
		j.manifest.Settings.Web = commandOf(j.declared.web)
		j.progress.say("web: the command of the %s, in place of the Dockerfile's", j.declared.webFrom)
	}
	j.settle(nil)
	return nil
}

// chooseDetected goes by what lies in the tree.
func (j *job) chooseDetected(ctx context.Context) error {
	t := j.tree
	j.declared.takeBuilds(t)
	t.main, t.kind, t.web, t.commands, t.args = j.manifest.Main, j.manifest.Language, j.declared.web, j.commands(), j.manifest.Args
	ignore, err := readIgnore(ctx, j.source, "Dockerfile", nil)
	if err != nil {
		return err
	}
	t.keep = buildContext{ignore: ignore}.keep
	t.online = func() bool { return j.stack.online(ctx) }
	t.here = sync.OnceValues(func() ([]string, error) { return j.stack.names(ctx) })
	if j.manifest.Stage != "" {
		return failure("teal.toml names a stage of the Dockerfile, "+j.manifest.Stage+", and there is no Dockerfile", "commit it, or remove [build] target", nil, nil)
	}
	p, err := detect(ctx, t)
	if err != nil {
		return err
	}
	j.declared.leaveToBuild(p.dockerfile)
	t.predeploy = nil // what is left is a command like others
	t.commands = j.commands()
	if err := t.checkScripts(ctx); err != nil {
		return err
	}
	if p.on == stackPrefix+"static" && len(t.commands) > 0 {
		return failure(fmt.Sprintf("%s cannot run: the app is a %s, of which only the file server runs", t.commands[0].what, p.what),
			"remove it, or say in teal.toml that the app is none of files: [build] language = \"procfile\"", nil, nil)
	}
	if ignore, err = readIgnore(ctx, j.source, "Dockerfile", p.omit); err != nil {
		return err
	}
	j.plan, j.what = p, p.what
	j.dockerfile = []byte(p.dockerfile)
	j.context = buildContext{source: j.source, ignore: ignore, always: generatedName, dockerfile: j.dockerfile}
	for _, line := range p.why {
		j.progress.say("%s", line)
	}
	j.settle(p.resolve)
	for _, line := range append(p.warn, present(t.unusedArgs(p))...) {
		j.progress.say("warning: %s", line)
	}
	j.progress.say(dockerfileWritten)
	for line := range strings.Lines(p.dockerfile) {
		j.progress.say("%s", strings.TrimRight(shownFile+line, " \n"))
	}
	return nil
}

// How the log shows a Dockerfile that Teal wrote.
const (
	dockerfileWritten = "Dockerfile written for it:"
	shownFile         = "   | "
)

// settle puts what the app declares into its settings, and says so.
func (j *job) settle(resolve func(string) string) {
	j.declared.predeployed(len(j.manifest.Settings.Release) > 0)
	j.declared.settle(&j.manifest.Settings, resolve)
	for _, line := range j.declared.notes {
		j.progress.say("%s", line)
	}
	s := j.manifest.Settings
	if len(s.Release) > 0 {
		j.progress.say("release command: %s", deploy.Clean(strings.Join(s.Release, " "), 200))
	}
	for _, w := range s.Workers {
		j.progress.say("process %s (%d): %s", w.Name, w.Instances, deploy.Clean(strings.Join(w.Argv, " "), 200))
	}
	for _, c := range s.Cron {
		j.progress.say("scheduled %s (%s): %s", c.Name, c.Schedule, deploy.Clean(strings.Join(c.Argv, " "), 200))
	}
}
