package builder

import (
	"context"
	_ "embed"
	"strings"
)

// staticServer is the source of the file server in teal/static: compiled in
// teal/go, so that nothing compiled has to be shipped.
//
//go:embed staticserver/main.go
var staticServer []byte

// prepareStatic compiles the file server with the teal/go that is there.
func (s *Stack) prepareStatic(ctx context.Context, _ *progress) (*product, error) {
	toolchain, err := s.engine.ImageInspect(ctx, s.prefix+"go")
	if err != nil {
		return nil, engineError(ctx, s.engine, err)
	}
	return &product{
		packages: hashOf(string(staticServer), toolchain.ID),
		source:   "Teal's own file server, built in teal/go",
		install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
			lines := []string{
				"FROM " + s.prefix + "go AS build",
				"WORKDIR /src",
				"COPY go.mod main.go ./",
				`RUN ["go", "build", "-ldflags=-s -w", "-o", "/out/server", "."]`,
				"",
				"FROM scratch",
				"COPY --from=build /out/server /server",
				"USER 65532:65532",
				"ENV PORT=8080",
				"EXPOSE 8080",
				`ENTRYPOINT ["/server"]`,
			}
			return s.build(ctx, ref, labels, p,
				namedFile{"Dockerfile", []byte(strings.Join(lines, "\n") + "\n")},
				namedFile{"go.mod", []byte("module staticserver\n\ngo 1.24\n")},
				namedFile{"main.go", staticServer})
		},
	}, nil
}
