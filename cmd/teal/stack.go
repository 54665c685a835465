package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"teal/builder"
	"teal/store"
)

// stackCommand is "teal stack …".
type stackCommand struct {
	Build stackBuild `cmd:"" help:"Make the base images that are not there yet."`
	List  stackList  `cmd:"" help:"List the base images."`
}

type stackFlags struct {
	dataFlag
	DockerHost string `help:"Container engine. Default: DOCKER_HOST, or the local socket." env:"DOCKER_HOST"`
	CAFile     string `help:"Further certificate authorities (PEM) that builds trust." env:"TEAL_CA_FILE" name:"ca-file"`
	GoProxy    string `help:"Go module proxy (URL) that the toolchain of teal/go comes from when this machine has no Go and no registry answers." env:"TEAL_GO_PROXY"`
}

type stackBuild struct {
	stackFlags
	Names []string `arg:"" optional:"" help:"Images to make, such as teal/go or teal/node:24-build. Default: those without versions."`
}

// Run makes them.
func (s stackBuild) Run(t *terminal) error {
	b, done, err := s.builder(t)
	if err != nil {
		return err
	}
	defer done()
	return b.Stack().Ensure(t.ctx, t.stdout, s.Names...)
}

type stackList struct{ stackFlags }

// Run lists them.
func (s stackList) Run(t *terminal) error {
	b, done, err := s.builder(t)
	if err != nil {
		return err
	}
	defer done()
	images, err := b.Stack().List(t.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tVERSION\tSIZE\tMADE\tFROM\tAPPS")
	for _, i := range images {
		fmt.Fprintf(w, "%s\t%s\t%d MB\t%s\t%s\t%s\n", i.Name, i.Version, i.Size/1e6, i.CreatedAt.Format(time.DateTime), i.Source, strings.Join(i.Apps, " "))
	}
	return w.Flush()
}

// builder makes a builder with the installation's own namespace.
func (s stackFlags) builder(t *terminal) (*builder.Builder, func(), error) {
	dir, err := s.dir()
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(t.ctx, store.Config{Dir: dir, Shared: true})
	if err != nil {
		return nil, nil, err
	}
	namespace, err := db.InstallationID(t.ctx)
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, nil, err
	}
	engine, err := dialEngine(s.DockerHost)
	if err != nil {
		return nil, nil, err
	}
	return builder.New(builder.Config{Engine: engine, Namespace: namespace, CAFile: s.CAFile, GoProxy: s.GoProxy}), func() { _ = engine.Close() }, nil
}
