package builder

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// cgoModules are modules that compile C, or do nothing without it, and so stop
// an app built without cgo where it starts.
var cgoModules = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(github\.com/(?:mattn/go-sqlite3|confluentinc/confluent-kafka-go(?:/v2)?|davidbyttow/govips(?:/v2)?|h2non/bimg|DataDog/zstd|marcboeker/go-duckdb(?:/v2)?|bytecodealliance/wasmtime-go(?:/v\d+)?|rogchap/v8go|godror/godror|linxGnu/grocksdb|libgit2/git2go(?:/v\d+)?))\s+v[^/\n]*$`)

var importsC = regexp.MustCompile(`(?m)^\s*import\s+(?:\w+\s+)?"C"`)

// maxForC is how many Go files are read in search of C: each is a read of its own.
const maxForC = 100

// needsC says why the app has to be built with a C compiler; "": it need not be.
func needsC(ctx context.Context, t *tree, mod []byte) (string, error) {
	if m := cgoModules.FindSubmatch(mod); m != nil {
		return "cgo: " + string(m[1]) + " compiles C", nil
	}
	read := 0
	for _, p := range t.paths {
		if path.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") || !t.has(p) || t.outsideModule(path.Dir(p)) {
			continue
		}
		if read++; read > maxForC {
			return "", nil
		}
		text, err := t.read(ctx, p)
		if err != nil {
			return "", err
		}
		if importsC.Match(text) {
			return fmt.Sprintf("cgo: %s imports C", p), nil
		}
	}
	return "", nil
}

// goBuildStage begins the stage that compiles: static programs where there is no
// C, else with a compiler and the C library that teal/base has, too.
func (d *dockerfile) goBuildStage(b goBuild) {
	if !b.cgo {
		d.add("FROM teal/go AS build", "WORKDIR /src")
		return
	}
	d.add("FROM teal/build AS build")
	d.install(b.buildApt)
	d.add("COPY --from=teal/go /usr/local/go /usr/local/go",
		`ENV PATH=/usr/local/go/bin:$PATH GOTOOLCHAIN=auto CGO_ENABLED=1 GOFLAGS="-trimpath -buildvcs=false"`,
		"WORKDIR /src")
}
