package builder

import (
	"context"
	"strings"

	"teal/deploy"
)

// detectProcfile takes a tree of no language that is known, whose Procfile says
// what to run: a script, or a program that a package of the Aptfile has.
func detectProcfile(_ context.Context, t *tree) (*plan, error) {
	if t.web == "" {
		return nil, nil
	}
	argv := commandOf(t.web)
	p := &plan{kind: "procfile", what: "Procfile", on: stackPrefix + "base"}
	p.why = []string{
		"Procfile found, no Dockerfile, and no language that is known",
		"start: the declared web process, " + deploy.Clean(strings.Join(argv, " "), 120),
	}
	if len(t.apt) == 0 {
		p.paths = []string{"/app"}
	}
	var d dockerfile
	d.add("FROM teal/base", "WORKDIR /app")
	d.install(t.apt)
	d.add("COPY --chown=65532:65532 . .")
	d.run("ENV HOME=/app", argv)
	p.dockerfile = d.String()
	return p, nil
}
