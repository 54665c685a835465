package builder

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// cgoModules are modules that compile C, or do nothing without it, and so stop
// an app built without cgo where it starts.
var cgoModules = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(github\.com/(?:mattn/go-sqlite3|confluentinc/confluent-kafka-go(?:/v2)?|davidbyttow/govips(?:/v2)?|h2non/bimg|DataDog/zstd|marcboeker/go-duckdb(?:/v2)?|bytecodealliance/wasmtime-go(?:/v\d+)?|rogchap/v8go|godror/godror|linxGnu/grocksdb|libgit2/git2go(?:/v\d+)?))\s+v[^/\n]*$`)

// needsC says why the app has to be built with a C compiler; "": it need not be.
func needsC(ctx context.Context, t *tree, mod []byte) (string, error) {
	if m := cgoModules.FindSubmatch(mod); m != nil {
		return "cgo: " + string(m[1]) + " compiles C", nil
	}
	found := ""
	err := t.search(ctx, func(name string) bool {
		return path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") && !t.outsideModule(path.Dir(name))
	}, func(name string, text []byte) (more bool) {
		if importsC(name, text) {
			found = fmt.Sprintf("cgo: %s imports C", name)
		}
		return found == ""
	})
	return found, err
}

// importsC tells whether a Go file imports C where it is built for Linux with cgo.
func importsC(name string, text []byte) bool {
	if !bytes.Contains(text, []byte(`"C"`)) {
		return false
	}
	linux := build.Default
	linux.GOOS, linux.CgoEnabled = "linux", true
	linux.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	if built, err := linux.MatchFile("", path.Base(name)); err != nil || !built {
		return false
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	return err == nil && slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"C"` })
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
