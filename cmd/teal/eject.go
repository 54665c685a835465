package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"teal/builder"
	"teal/deploy"
)

// ejectCommand is "teal eject": it writes down what Teal would build by, for
// those who want to change it.
type ejectCommand struct {
	registryFlags // which versions there are depends on whether a registry answers

	Dir string `arg:"" optional:"" type:"existingdir" help:"The app's checkout; without one this directory."`
}

// Run writes Dockerfile and .dockerignore, and overwrites neither.
func (e ejectCommand) Run(t *terminal) error {
	if e.Dir == "" {
		e.Dir = "."
	}
	engine, err := dialEngine(e.DockerHost)
	if err != nil {
		return err
	}
	defer engine.Close()
	b := builder.New(builder.Config{Engine: engine, Namespace: "eject", RegistryConfig: e.RegistryConfig, Mirror: e.RegistryMirror})
	p, err := b.Preview(t.ctx, deploy.BuildRequest{App: "app", Source: worktree{e.Dir}, Defaults: deploy.DefaultSettings()})
	var f *deploy.Failure
	switch {
	case errors.As(err, &f):
		return fmt.Errorf("nothing to eject: %s; %s", f.Reason, f.Hint)
	case err != nil:
		return err
	case p.Path != "":
		return fmt.Errorf("%s is there already, and Teal builds by it; nothing was written", filepath.Join(e.Dir, p.Path))
	}
	return e.write(t, p)
}

func (e ejectCommand) write(t *terminal, p builder.Preview) error {
	dir := filepath.Join(e.Dir, filepath.FromSlash(p.Root))
	dockerfile, ignore := filepath.Join(dir, "Dockerfile"), filepath.Join(dir, ".dockerignore")
	if err := writeNew(dockerfile, p.Text()); err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "Wrote %s:\n", dockerfile)
	for _, line := range p.Found {
		fmt.Fprintf(t.stdout, "  %s\n", line)
	}
	omit := append([]string{".git"}, p.Omit...)
	switch err := writeNew(ignore, strings.Join(omit, "\n")+"\n"); {
	case errors.Is(err, fs.ErrExist):
		fmt.Fprintf(t.stdout, "%s is there and stays as it is; see that it has: %s\n", ignore, strings.Join(omit, " "))
	case err != nil:
		return err
	default:
		fmt.Fprintf(t.stdout, "Wrote %s\n", ignore)
	}
	_, err := fmt.Fprintf(t.stdout, `
What to do next
  1. Change them as you like. Images named teal/… are Teal's own; others can be used as well.
  2. git add Dockerfile .dockerignore && git commit -m "Build by our own Dockerfile" && git push teal
From then on this Dockerfile is what Teal builds by, and new versions of languages are yours to choose.
To go back: remove both files, commit and push.
`)
	return err
}

// writeNew writes a file that must not be there.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; nothing was overwritten: %w", path, err)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
