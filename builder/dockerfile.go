package builder

import (
	"encoding/json"
	"strings"
)

// The Dockerfiles that Teal writes are printed in the log and meant to be read
// and taken over. They have no "# syntax=" line, which would fetch an image,
// and no heredocs, which old Engines do not know.

// goBuild is what differs between Dockerfiles for Go.
type goBuild struct {
	main     string // directory of the main package
	download bool   // modules can be fetched from go.mod and go.sum alone
}

// goDockerfile builds a static program and leaves it alone with the bundle of
// certificate authorities and the time zones. The compiler's cache begins with what teal/go has
// compiled of the standard library already, and is the app's own from there.
func goDockerfile(b goBuild) string {
	const (
		mod   = "--mount=type=cache,id=gomod,target=/root/go/pkg/mod"
		cache = "--mount=type=cache,id=gocache,from=teal/go,source=/root/.cache/go-build,target=/root/.cache/go-build"
		next  = " \\\n    "
	)
	lines := []string{"FROM teal/go AS build", "WORKDIR /src"}
	if b.download {
		lines = append(lines, "COPY go.mod go.sum ./", "RUN "+mod+next+`["go", "mod", "download"]`)
	}
	lines = append(lines,
		"COPY . .",
		"RUN "+mod+next+cache+next+execForm("go", "build", "-ldflags=-s -w", "-o", "/out/app", goPath(b.main)),
		"",
		"FROM scratch",
		"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
		"COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /etc/zoneinfo.zip",
		"COPY --from=build /out/app /app",
		"USER 65532:65532",
		"ENV PORT=8080 ZONEINFO=/etc/zoneinfo.zip",
		"EXPOSE 8080",
		`ENTRYPOINT ["/app"]`,
	)
	return strings.Join(lines, "\n") + "\n"
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
		quoted, _ := json.Marshal(w) // a string can't fail
		b.Write(quoted)
	}
	return "[" + b.String() + "]"
}
