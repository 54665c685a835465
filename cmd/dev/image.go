package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/builder"
	"teal/deploy"
)

const (
	// serverImage is the name of the server's own image.
	serverImage = "teal/server"
	// officialBase is what the image is laid on where a registry answers.
	officialBase = "debian:bookworm-slim"
	// ownBase is made from Debian packages where none does, and made anew when
	// it is older than ownBaseAge.
	ownBase    = "teal-server-base:bookworm"
	ownBaseAge = 24 * time.Hour
)

// image builds the server's own image from the Dockerfile, with the binary that
// this machine's Go builds. Teal's own builder does it, as it does with every
// Dockerfile that is pushed.
func image(ctx context.Context, name string) error {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer engine.Close()
	dir, err := os.MkdirTemp("", "teal-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "teal")
	version, err := staticBinary(ctx, binary)
	if err != nil {
		return err
	}
	base, err := runBase(ctx, engine)
	if err != nil {
		return err
	}
	say("Building the image %s on %s", name, base)
	if err := buildImage(ctx, engine, name, version, binary, base); err != nil {
		return err
	}
	fmt.Printf("\n%s is ready. Run it:\n  docker run -d --name teal --restart unless-stopped --network host -v /var/run/docker.sock:/var/run/docker.sock -v teal:/data %s\n", name, name)
	return nil
}

// staticBinary builds teal as "make build" does, and gives its version.
func staticBinary(ctx context.Context, path string) (string, error) {
	version := "dev"
	if out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		version = strings.TrimSpace(string(out))
	}
	say("Building teal, static")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", path, "./cmd/teal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go build: %w", err)
	}
	return version, nil
}

// runBase gives the image that the server is laid on.
func runBase(ctx context.Context, engine *client.Client) (string, error) {
	asked, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := engine.DistributionInspect(asked, officialBase, ""); err == nil {
		return officialBase, nil // the builder pulls it
	}
	found, err := engine.ImageInspect(ctx, ownBase)
	if made, bad := time.Parse(time.RFC3339Nano, found.Created); err == nil && bad == nil && time.Since(made) < ownBaseAge {
		return ownBase, nil
	}
	say("No registry answers for %s: making %s from Debian packages, which takes a minute", officialBase, ownBase)
	return ownBase, bootstrap(ctx, engine)
}

// bootstrap makes ownBase: Debian's essential packages, git, and the host's
// certificate authorities.
func bootstrap(ctx context.Context, engine *client.Client) error {
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=essential",
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", "--include=usr-is-merged,ca-certificates,git",
		`--aptopt=Apt::Install-Recommends "false"`,
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--format=tar", "bookworm", "-")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes its own work then
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stderr = &said
	rootfs, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run mmdebstrap (apt-get install mmdebstrap): %w", err)
	}
	imported := importRootfs(ctx, engine, rootfs)
	if imported != nil {
		_ = cmd.Cancel()
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s", err, lastLines(said.String(), 10))
	}
	return imported
}

func importRootfs(ctx context.Context, engine *client.Client, rootfs io.Reader) error {
	stream, err := engine.ImageImport(ctx, dockerimage.ImportSource{Source: rootfs, SourceName: "-"}, ownBase, dockerimage.ImportOptions{
		Changes: []string{"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LABEL teal.server.base=bookworm"},
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", ownBase, err)
	}
	defer stream.Close()
	for in := json.NewDecoder(stream); ; {
		var message struct{ Error string }
		switch err := in.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("import %s: %w", ownBase, err)
		case message.Error != "":
			return fmt.Errorf("import %s: %s", ownBase, message.Error)
		}
	}
}

// buildImage builds the Dockerfile's prebuilt flavor and gives it the name.
func buildImage(ctx context.Context, engine *client.Client, name, version, binary, base string) error {
	source, err := imageContext(binary, base)
	if err != nil {
		return err
	}
	b := builder.New(builder.Config{Engine: engine, Namespace: "dev", CAFile: os.Getenv("TEAL_CA_FILE")})
	built, err := b.Build(ctx, deploy.BuildRequest{
		App: "server", Source: source, Commit: deploy.Commit{ID: version}, Defaults: deploy.DefaultSettings(),
	}, os.Stdout)
	if err != nil {
		return err
	}
	old, missing := engine.ImageInspect(ctx, name)
	if err := engine.ImageTag(ctx, built.Image, name); err != nil {
		return err
	}
	// The builder names images for releases of apps: this one has its own name.
	if err := b.RemoveImage(ctx, "server", built.Image); err != nil {
		return err
	}
	if missing != nil || old.ID == built.Image {
		return nil
	}
	return b.RemoveImage(ctx, "server", old.ID)
}

// tree is a commit's tree that was never committed: the files of the build.
type tree map[string]treeFile

type treeFile struct {
	data []byte
	mode fs.FileMode
}

// imageContext is what the build gets to see.
func imageContext(binary, base string) (tree, error) {
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	// BUILD_BASE has no part in this flavor: one that nobody has to fetch.
	args := fmt.Sprintf("[build]\nargs = { BINARY = \"prebuilt\", BUILD_BASE = \"scratch\", RUN_BASE = %q }\n", base)
	return tree{
		"Dockerfile": {dockerfile, 0o644},
		"bin/teal":   {program, 0o755},
		"teal.toml":  {[]byte(args), 0o644},
	}, nil
}

// Files implements deploy.Source.
func (t tree) Files(context.Context) ([]deploy.File, error) {
	var files []deploy.File
	for path, f := range t {
		files = append(files, deploy.File{Path: path, Mode: f.mode, Size: int64(len(f.data))})
	}
	slices.SortFunc(files, func(a, b deploy.File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// ReadFile implements deploy.Source.
func (t tree) ReadFile(_ context.Context, path string, limit int64) ([]byte, error) {
	f, ok := t[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, deploy.ErrNotFound)
	}
	if int64(len(f.data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return f.data, nil
}

// Tar implements deploy.Source.
func (t tree) Tar(ctx context.Context, w io.Writer, keep func(path string) bool) error {
	files, err := t.Files(ctx)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for _, f := range files {
		if keep != nil && !keep(f.Path) {
			continue
		}
		// A fixed time: equal files make an equal layer.
		head := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(f.Mode), Size: f.Size, ModTime: time.Unix(1_000_000_000, 0)}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(t[f.Path].data); err != nil {
			return err
		}
	}
	return out.Close()
}

// Close implements deploy.Source.
func (tree) Close() error { return nil }
