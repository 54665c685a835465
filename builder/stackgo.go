package builder

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// goLayout counts the ways in which teal/go was ever laid out: a new one replaces
// images of the old one.
const goLayout = "1"

// goWarm are the packages of the standard library that nearly every web app
// has: compiled once here instead of in the first build of each app.
var goWarm = []string{
	"net/http", "net/http/httputil", "html/template", "encoding/json", "log/slog", "database/sql",
	"os/exec", "os/signal", "embed", "flag", "encoding/xml", "encoding/csv", "compress/gzip", "archive/zip",
	"crypto/ed25519", "crypto/hmac", "image/png", "image/jpeg", "net/smtp", "text/tabwriter", "expvar",
}

// prepareGo finds a toolchain: the official image, the host's Go, or the one of
// the Go module proxy.
//
// Where no registry answers the image holds the toolchain, the certificate
// authorities, and nothing else. It is static, needs no shell for exec-form RUN
// lines, costs seconds to make where a Debian base costs half a minute, and has
// nothing to patch but Go itself. What that leaves out is git (modules that are
// fetched from version control and not through a proxy), cgo, and tools that "go
// generate" would run: apps that need them bring a Dockerfile.
func (s *Stack) prepareGo(ctx context.Context, p *progress) (*product, error) {
	bundle, err := caBundle(s.caFile)
	if err != nil {
		return nil, err
	}
	digest, err := s.remoteDigest(ctx, s.goImage)
	if err == nil {
		return &product{
			packages: hashOf(goLayout, digest, string(bundle)),
			source:   s.goImage,
			official: s.goImage,
			install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
				p.say("pulling %s", s.goImage)
				if err := s.pull(ctx, s.goImage); err != nil {
					return err
				}
				return s.finishGo(ctx, s.goImage, ref, bundle, labels, p)
			},
		}, nil
	}
	if err := s.keep(ctx, "go", s.goImage, err); err != nil {
		return nil, err
	}
	p.say("no registry answers for %s; looking for a Go toolchain", s.goImage)
	tool, err := s.findToolchain(ctx)
	if err != nil {
		return nil, err
	}
	return &product{
		packages: hashOf(goLayout, tool.version, strings.Join(s.warm, " "), string(bundle)),
		source:   tool.source,
		install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
			bare := s.prefix + "go:toolchain-" + randomID()[:8] // another process may be at the same
			if err := s.importTar(ctx, bare, nil, func(w io.Writer) error { return tool.write(ctx, w) }); err != nil {
				return err
			}
			// The layers go on in the finished image; only this name and its record go.
			defer func() { s.discard(ctx, bare) }()
			return s.finishGo(ctx, bare, ref, bundle, labels, p)
		},
	}, nil
}

// finishGo lays certificate authorities, settings and a warm compiler cache over
// an image that has Go in /usr/local/go.
func (s *Stack) finishGo(ctx context.Context, from, ref string, bundle []byte, labels map[string]string, p *progress) error {
	lines := []string{
		"FROM " + from,
		"COPY ca.crt /etc/ssl/certs/ca-certificates.crt",
		"ENV HOME=/root GOPATH=/root/go GOCACHE=/root/.cache/go-build PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		`ENV GOTOOLCHAIN=auto CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt`,
		"WORKDIR /src",
		"RUN " + execForm(append([]string{"go", "build"}, s.warm...)...),
	}
	return s.build(ctx, ref, labels, p,
		namedFile{"Dockerfile", []byte(strings.Join(lines, "\n") + "\n")}, namedFile{"ca.crt", bundle})
}

// build makes a stack image from a Dockerfile and a few files.
func (s *Stack) build(ctx context.Context, ref string, labels map[string]string, p *progress, files ...namedFile) error {
	return s.buildWith(ctx, ref, labels, nil, p, files...)
}

// buildWith is build with arguments for the Dockerfile.
func (s *Stack) buildWith(ctx context.Context, ref string, labels, args map[string]string, p *progress, files ...namedFile) error {
	_, err := solve{
		engine:     s.engine,
		upload:     tarFiles(files...),
		dockerfile: "Dockerfile",
		args:       args,
		labels:     labels,
		tags:       []string{ref},
		log:        s.log,
	}.run(ctx, p)
	return err
}

// importTar makes an image of one layer from what write gives.
func (s *Stack) importTar(ctx context.Context, ref string, changes []string, write func(w io.Writer) error) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(w)
		w.CloseWithError(err) // nil: end of file
		done <- err
	}()
	stream, err := s.engine.ImageImport(ctx, image.ImportSource{Source: r, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err == nil {
		err = drain(ctx, stream)
		_ = stream.Close()
	}
	_ = r.CloseWithError(io.ErrClosedPipe) // ends a writer that nobody reads any more
	if writeErr := <-done; writeErr != nil && err == nil {
		err = writeErr
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", ref, engineError(ctx, s.engine, err))
	}
	return nil
}
