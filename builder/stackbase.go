package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// bundlePath is where Debian keeps the certificate authorities.
const bundlePath = "etc/ssl/certs/ca-certificates.crt"

// essential are mmdebstrap's arguments for teal/base. The merged-usr hook and its
// package keep perl out, 46 MB that nothing else needs; copyright files stay, as
// their licenses ask.
var essential = []string{
	"--variant=essential",
	"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
	"--include=usr-is-merged,ca-certificates",
	`--aptopt=Apt::Install-Recommends "false"`,
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-include=/usr/share/doc/*/copyright",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/i18n/*",
}

// bootstrapTimeout bounds mmdebstrap, which takes half a minute to two.
const bootstrapTimeout = 15 * time.Minute

// prepareBase takes the official Debian image, or bootstraps from Debian packages.
func (s *Stack) prepareBase(ctx context.Context, p *progress) (*product, error) {
	return s.debian(ctx, p, "base", s.variant)
}

// debian makes a Debian image with the host's certificate authorities and the
// further files.
func (s *Stack) debian(ctx context.Context, p *progress, name string, variant []string, further ...namedFile) (*product, error) {
	bundle, err := caBundle(s.caFile)
	if err != nil {
		return nil, err
	}
	files := append([]namedFile{{bundlePath, bundle}}, further...)
	digest, err := s.remoteDigest(ctx, s.debianImage)
	if err == nil {
		return s.debianOf(ctx, name, digest, files)
	}
	if err := s.keep(ctx, name, s.debianImage, err); err != nil {
		return nil, err
	}
	same, err := s.upToDate(ctx, name, func(list string) string { return hashOf(list, contentsOf(files)) })
	if err != nil || same != nil {
		return same, err
	}
	p.say("no registry answers for %s; bootstrapping Debian %s from packages, which takes a minute", s.debianImage, s.debianSuite)
	return s.bootstrap(ctx, variant, files)
}

// debianOf goes on from the official image.
func (s *Stack) debianOf(ctx context.Context, name, digest string, files []namedFile) (*product, error) {
	return s.upgraded(ctx, name, s.debianImage, digest, func(upgrade ...string) string {
		lines := []string{"FROM " + s.debianImage}
		if len(upgrade) > 0 { // archives behind https need them, and the official image has none
			lines = append(append(lines, "COPY "+bundlePath+" /"+bundlePath), upgrade...)
		}
		for _, f := range files {
			lines = append(lines, fmt.Sprintf("COPY --chmod=%o %s /%s", modeOf(f), f.name, f.name))
		}
		return strings.Join(lines, "\n") + "\n"
	}, files...)
}

// modeOf lets a script be executed.
func modeOf(f namedFile) int64 {
	if bytes.HasPrefix(f.data, []byte("#!")) {
		return 0o755
	}
	return 0o644
}

func contentsOf(files []namedFile) string {
	var b strings.Builder
	for _, f := range files {
		b.WriteString(f.name + "\x00")
		b.Write(f.data)
	}
	return b.String()
}

// bootstrap runs mmdebstrap into a temporary file: which packages came is known
// only at the end, and an image that would hold the same ones is not made.
func (s *Stack) bootstrap(ctx context.Context, variant []string, files []namedFile) (*product, error) {
	file, err := os.CreateTemp("", "teal-base-*.tar")
	if err != nil {
		return nil, err
	}
	rootfs := tempArchive{file}
	packages, err := s.debootstrap(ctx, variant, rootfs, files)
	if err != nil {
		return nil, errors.Join(err, rootfs.Close())
	}
	return &product{
		packages: hashOf(packages, contentsOf(files)),
		source:   fmt.Sprintf("Debian %s, %d packages", s.debianSuite, strings.Count(packages, "\n")),
		install: func(ctx context.Context, ref string, labels map[string]string, _ *progress) error {
			if _, err := rootfs.Seek(0, io.SeekStart); err != nil {
				return err
			}
			changes := []string{"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", `CMD ["/bin/sh"]`}
			for key, value := range labels {
				changes = append(changes, fmt.Sprintf("LABEL %s=%q", key, value))
			}
			return s.importTar(ctx, ref, changes, func(w io.Writer) error {
				_, err := io.Copy(w, rootfs)
				return err
			})
		},
		close: func() { _ = rootfs.Close() },
	}, nil
}

// debootstrap writes the root file system to w and returns its packages.
func (s *Stack) debootstrap(ctx context.Context, variant []string, w io.Writer, files []namedFile) (string, error) {
	command, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", fmt.Errorf("no registry answers and mmdebstrap is not installed (apt-get install mmdebstrap): %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootstrapTimeout, fmt.Errorf("mmdebstrap took longer than %s", bootstrapTimeout))
	defer cancel()
	args := append(slices.Clone(variant), "--format=tar", s.debianSuite, "-")
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.WaitDelay = 10 * time.Second
	// Asked to end first: interrupted, mmdebstrap removes its own work.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	said := &tailWriter{}
	cmd.Stderr = said
	r, pipe := io.Pipe()
	cmd.Stdout = pipe
	var packages string
	filtered := make(chan error, 1) // its value comes after the last write to packages
	go func() {
		var err error
		packages, err = filterRootfs(w, r, files)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // the padding after the archive's end
		}
		_ = r.CloseWithError(err)
		filtered <- err
	}()
	runErr := runNicely(cmd)
	_ = pipe.CloseWithError(runErr)
	filterErr := <-filtered
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case runErr != nil:
		return "", fmt.Errorf("mmdebstrap: %w: %s", runErr, strings.Join(said.last(5), "; "))
	case filterErr != nil:
		return "", fmt.Errorf("read what mmdebstrap made: %w", filterErr)
	}
	return packages, nil
}

// filterRootfs copies a root file system without device files and what apt left,
// has the given files in place of its own ones, and returns the list of packages.
func filterRootfs(w io.Writer, r io.Reader, files []namedFile) (packages string, err error) {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		name := strings.TrimPrefix(path.Clean(header.Name), "/")
		body := io.Reader(in)
		switch {
		case leftOut(name, header), slices.ContainsFunc(files, func(f namedFile) bool { return f.name == name }):
			continue
		case name == dpkgStatus:
			text, err := io.ReadAll(io.LimitReader(in, maxDpkgStatus))
			if err != nil {
				return "", err
			}
			packages, body = dpkgList(text), bytes.NewReader(text)
		}
		if err := out.WriteHeader(header); err != nil {
			return "", err
		}
		if _, err := io.Copy(out, body); err != nil {
			return "", err
		}
	}
	for _, f := range files {
		if err := writeFile(out, f.name, modeOf(f), f.data); err != nil {
			return "", err
		}
	}
	return packages, out.Close()
}

func leftOut(name string, header *tar.Header) bool {
	if header.Typeflag == tar.TypeChar || header.Typeflag == tar.TypeBlock {
		return true
	}
	isFile := header.Typeflag == tar.TypeReg
	return strings.HasPrefix(name, "var/lib/apt/lists/") ||
		isFile && (strings.HasPrefix(name, "var/cache/apt/") || strings.HasPrefix(name, "var/log/"))
}

// tailWriter keeps the last lines that a command wrote.
type tailWriter struct {
	ring
	partial string
}

func (t *tailWriter) Write(p []byte) (int, error) {
	lines := strings.Split(t.partial+string(p), "\n")
	t.partial = deploy.Clean(lines[len(lines)-1], maxLine)
	for _, line := range lines[:len(lines)-1] {
		if line = tidy(line); line != "" {
			t.add(line)
		}
	}
	return len(p), nil
}
