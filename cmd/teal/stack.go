package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"teal/builder"
	"teal/deploy"
	"teal/gitserver/commands"
	"teal/store"
)

// stackCommand is "teal stack …".
type stackCommand struct {
	Build stackBuild `cmd:"" help:"Make the base images that are not there yet."`
	List  stackList  `cmd:"" help:"List the base images."`

	Refresh stackRefresh `cmd:"" help:"Look for newer parts of the base images that are there, and replace those whose content has changed."`
}

type stackFlags struct {
	dataFlag
	registryFlags
	CAFile  string `help:"Further certificate authorities (PEM) that builds trust." env:"TEAL_CA_FILE" name:"ca-file"`
	GoProxy string `help:"Go module proxy (URL) that the toolchain of teal/go comes from when this machine has no Go and no registry answers." env:"TEAL_GO_PROXY"`
}

// registryFlags say where base images come from.
type registryFlags struct {
	DockerHost     string `help:"Container engine. Default: DOCKER_HOST, or the local socket." env:"DOCKER_HOST"`
	RegistryConfig string `help:"Docker configuration file (config.json) with credentials for registries that base images come from." env:"TEAL_REGISTRY_CONFIG"`
	RegistryMirror string `help:"Registry (host, or host:port) that has copies of Docker Hub's images; it is asked first." env:"TEAL_REGISTRY_MIRROR"`
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

type stackRefresh struct{ stackFlags }

// Run refreshes them.
func (s stackRefresh) Run(t *terminal) error {
	b, done, err := s.builder(t)
	if err != nil {
		return err
	}
	defer done()
	_, err = b.Stack().Refresh(t.ctx, t.stdout)
	return err
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
	return builder.New(builder.Config{
		Engine: engine, Namespace: namespace, CAFile: s.CAFile, GoProxy: s.GoProxy, RegistryConfig: s.RegistryConfig, Mirror: s.RegistryMirror,
	}), func() { _ = engine.Close() }, nil
}

// stackImages lists the base images for the command over SSH.
func (d *daemonParts) stackImages(ctx context.Context) ([]commands.StackImage, error) {
	found, err := d.builder.Stack().List(ctx)
	if err != nil {
		return nil, err
	}
	var list []commands.StackImage
	for _, i := range found {
		row := commands.StackImage{Name: i.Name, Version: i.Version, Source: i.Source, Size: i.Size, MadeAt: i.CreatedAt}
		for _, app := range i.Apps {
			row.Apps = append(row.Apps, deploy.AppName(app))
		}
		list = append(list, row)
	}
	return list, nil
}
