package builder

import (
	"encoding/json"
	"strings"
)

// The Dockerfiles that Teal writes are printed in the log and meant to be read
// and taken over. They have no "# syntax=" line, which would fetch an image,
// and no heredocs, which old Engines do not know.

// dockerfile is one on its way.
type dockerfile struct{ lines []string }

func (d *dockerfile) add(lines ...string) { d.lines = append(d.lines, lines...) }

// cached runs a command with a directory that the next build finds again.
func (d *dockerfile) cached(id, dir, command string) {
	d.withTokens(nil, id, dir, command)
}

// install adds Debian packages.
func (d *dockerfile) install(packages []string) {
	if len(packages) > 0 {
		d.add(installing(stackPrefix, packages...))
	}
}

// run ends a run stage: who runs, with which environment, what.
func (d *dockerfile) run(env string, argv []string) {
	d.add("USER 65532:65532", env+" PORT=8080", "EXPOSE 8080", "CMD "+execForm(argv...))
}

func (d *dockerfile) String() string { return strings.Join(d.lines, "\n") + "\n" }

// goBuild is what differs between Dockerfiles for Go.
type goBuild struct {
	programs    goPrograms
	argv        []string // what starts
	why         []string // for the log
	base        bool     // runs on teal/base, as a command needs a shell or the like
	cgo         bool     // is compiled with C
	apt         []string // Debian packages for the run image
	buildApt    []string // and for the other one, where there is C
	args        []string // build arguments
	files, dirs []string // beside the program
	download    bool     // modules can be fetched from go.mod and go.sum alone
}

// goDockerfile builds static programs and leaves them alone with the bundle of
// certificate authorities, the time zones and the app's own files. The compiler's
// cache begins with what teal/go has compiled of the standard library already,
// and is the app's own from there.
func goDockerfile(b goBuild) string {
	const (
		mod   = "--mount=type=cache,id=gomod,target=/root/go/pkg/mod"
		cache = "--mount=type=cache,id=gocache,from=teal/go,source=/root/.cache/go-build,target=/root/.cache/go-build"
		next  = " \\\n    "
	)
	from, env := "FROM scratch", "ENV PATH=/app/bin"
	if b.base {
		from, env = "FROM teal/base", "ENV PATH=/app/bin:$PATH"
	}
	build := []string{"go", "build", "-ldflags=-s -w", "-o", "/out/"}
	for _, p := range b.programs {
		build = append(build, goPath(p.dir))
	}
	var d dockerfile
	d.goBuildStage(b)
	d.args(b.args)
	if b.download {
		d.add("COPY go.mod go.sum ./", "RUN "+mod+next+`["go", "mod", "download"]`)
	}
	d.add("COPY . .", "RUN "+mod+next+cache+next+execForm(build...), "", from, "WORKDIR /app")
	d.install(b.apt)
	d.add("COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
		"COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /etc/zoneinfo.zip")
	d.copyBeside(b.files, b.dirs)
	d.add("COPY --from=build /out/ " + goBin)
	d.run(env+" ZONEINFO=/etc/zoneinfo.zip", b.argv)
	return d.String()
}

// staticDockerfile lays the files beside the static file server.
func staticDockerfile(root string, spa bool) string {
	lines := []string{"FROM teal/static", "COPY " + execForm(root+"/", "/public/")}
	if spa {
		lines = append(lines, `CMD ["-spa"]`)
	}
	return strings.Join(lines, "\n") + "\n"
}

// execForm writes words as a JSON list, which needs no quoting rules.
func execForm(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		var quoted strings.Builder
		in := json.NewEncoder(&quoted)
		in.SetEscapeHTML(false) // "&&" is to be read
		_ = in.Encode(w)        // a string can't fail
		b.WriteString(strings.TrimSpace(quoted.String()))
	}
	return "[" + b.String() + "]"
}
