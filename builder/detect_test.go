package builder

import (
	"context"
	"errors"
	"strings"
	"testing"

	"teal/deploy"
)

const mainGo = "package main\n\nfunc main() {}\n"

func detected(t *testing.T, main string, source fsSource) (*plan, error) {
	t.Helper()
	tree, err := newTree(context.Background(), source)
	if err != nil {
		t.Fatal(err)
	}
	tree.main = main
	return detect(t.Context(), tree)
}

func TestDetectionFindsAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name, main string
		source     fsSource
		what       string
		why        string // contained in one of the lines
		dockerfile string // contained
	}{
		{"main at the root", "", files("go.mod", "module x\n\ngo 1.24.1\n", "main.go", mainGo), "Go 1.24.1: go.mod found", "main package .: the only one", `"-o", "/out/", "."]`},
		{"main in cmd", "", files("go.mod", "module x\n", "x.go", "package x\n", "cmd/web/web.go", mainGo), "Go 1: go.mod found", "main package ./cmd/web", `"./cmd/web"]`},
		{"toolchain line", "", files("go.mod", "module x\ngo 1.23\ntoolchain go1.25.2\n", "main.go", mainGo), "Go 1.25.2: go.mod found", "the toolchain line", ""},
		{"chosen in teal.toml", "tools/b", files("go.mod", "module x\n", "tools/b/b.go", mainGo, "cmd/a/a.go", mainGo), "Go 1: go.mod found", "teal.toml says so", `"./tools/b"]`},
		{"go.work", "", files("go.work", "go 1.24\n\nuse (\n\t./web // the app\n\t./lib\n)\n", "web/go.mod", "module example.org/shop\n", "web/main.go", mainGo, "lib/go.mod", "module example.org/lib\n", "lib/lib.go", "package lib\n", "old/go.mod", "module x\n", "old/main.go", mainGo, "tools/gen.go", mainGo), "Go 1.24: go.work found", "version 1.24 or newer: the go line of go.work", "\"./web\"]\n\nFROM scratch"},
		{"go.work, name of the program", "", files("go.work", "use ./web\n", "web/go.mod", "module example.org/shop\n", "web/main.go", mainGo), "Go 1: go.work found", "main package ./web: the only one", `CMD ["/app/bin/shop"]`},
		{"main elsewhere", "", files("go.mod", "module x\n", "x.go", "package x\n", "src/main.go", mainGo), "Go 1: go.mod found", "main package ./src: the only one", `"./src"]`},
		{"main of go:build ignore", "", files("go.mod", "module x\n", "gen.go", "//go:build ignore\n\n"+mainGo, "cmd/a/a.go", mainGo, "cmd/a/b_test.go", mainGo), "Go 1: go.mod found", "./cmd/a", ""},
		{"Go app with an index.html", "", files("go.mod", "module x\n", "main.go", mainGo, "index.html", "x"), "Go 1: go.mod found", "go.mod found", ""},
		{"modules", "", files("go.mod", "module x\n", "go.sum", "", "main.go", mainGo), "Go 1: go.mod found", "", "COPY go.mod go.sum ./"},
		{"index.html", "", files("index.html", "x"), "static site: files in .", "index.html found", `COPY ["./", "/public/"]`},
		{"public", "", files("public/index.html", "x", "notes.md", "x"), "static site: files in public", "public/index.html found", `COPY ["public/", "/public/"]`},
		{"Staticfile", "", files("Staticfile", "# ours\nroot: dist/\nspa: true\n", "dist/index.html", "x"), "static site: files in dist", "the Staticfile says so", `CMD ["-spa"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := detected(t, c.main, c.source)
			if err != nil {
				t.Fatal(err)
			}
			if p.what != c.what {
				t.Errorf("what is %q, not %q", p.what, c.what)
			}
			contains(t, strings.Join(p.why, "\n"), c.why)
			contains(t, p.dockerfile, c.dockerfile)
			if strings.Contains(p.dockerfile, "<<") || strings.Contains(p.dockerfile, "syntax=") {
				t.Errorf("an old Engine can't build\n%s", p.dockerfile)
			}
		})
	}
}

func TestDetectionDoesNotGuess(t *testing.T) {
	for _, c := range []struct {
		name, main   string
		source       fsSource
		reason, hint string
	}{
		{"two mains", "", files("go.mod", "module x\n", "cmd/a/a.go", mainGo, "cmd/b/b.go", mainGo), "several Go main packages: ./cmd/a, ./cmd/b", `main = "./cmd/a"`},
		{"no main", "", files("go.mod", "module x\n", "x.go", "package x\n"), "go.mod found, but no main package", "a library can't be deployed"},
		{"go.work without its modules", "", files("go.work", "use ./web\n"), "go.work found, and none of the modules that it uses", "[build] root"},
		{"two mains elsewhere", "", files("go.mod", "module x\n", "a/a.go", mainGo, "b/b.go", mainGo), "several Go main packages, none of them at the root or in cmd/: ./a, ./b", `main = "./a"`},
		{"chosen one is none", "cmd/c", files("go.mod", "module x\n", "cmd/a/a.go", mainGo), `build.main in teal.toml is "cmd/c"`, "package main"},
		{"Staticfile's root is empty", "", files("Staticfile", "root: dist\n"), `the Staticfile's root is "dist", and there are no files in it`, "commit"},
		{"Staticfile leads out", "", files("Staticfile", "root: ../x\n"), "Staticfile line 1", "root: directory"},
		{"Staticfile with an unknown key", "", files("Staticfile", "\npath: x\n"), "Staticfile line 2", "spa: true"},
		{"nothing", "", files("README", "x"), "nothing else that Teal knows how to build", "add a Dockerfile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := detected(t, c.main, c.source)
			var f *deploy.Failure
			if !errors.As(err, &f) {
				t.Fatalf("error is %v", err)
			}
			contains(t, f.Reason, c.reason)
			contains(t, f.Hint, c.hint)
		})
	}
}

func TestModulesThatOnlyTheTreeHasAreNotFetchedFirst(t *testing.T) {
	for name, source := range map[string]fsSource{
		"no go.sum":     files("go.mod", "module x\n", "main.go", mainGo),
		"vendored":      files("go.mod", "module x\n", "go.sum", "", "vendor/modules.txt", "", "main.go", mainGo),
		"work space":    files("go.mod", "module x\n", "go.sum", "", "go.work", "", "main.go", mainGo),
		"local replace": files("go.mod", "module x\nreplace y => ./y\n", "go.sum", "", "main.go", mainGo),
	} {
		p, err := detected(t, "", source)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(p.dockerfile, "download") {
			t.Errorf("%s: modules are fetched before the tree is there\n%s", name, p.dockerfile)
		}
	}
}

func TestBasesOfADockerfileAreFound(t *testing.T) {
	got := fromRefs([]byte(`# syntax=docker/dockerfile:1
ARG VERSION=3.20
ARG REPO
FROM --platform=linux/amd64 alpine:${VERSION} AS build
RUN --mount=type=cache,from=teal/go,target=/x \
    --mount=type=bind,from=build,target=/y true
FROM ${REPO}/${MISSING}
FROM ${OTHER:-debian:12}
COPY --from=build /a /a
COPY --chown=1 --from=0 /a /a
copy --from=busybox /bin/sh /sh
FROM build
FROM scratch
FROM alpine:3.20
`), map[string]string{"VERSION": "3.21"})
	if strings.Join(got, " ") != "alpine:3.21 teal/go / debian:12 busybox alpine:3.20" {
		t.Errorf("got %q", got)
	}
}

func FuzzFromRefs(f *testing.F) {
	f.Add([]byte("ARG A=b\nFROM $A AS x\nCOPY --from=x \\\n a b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, ref := range fromRefs(text, nil) {
			if ref == "scratch" {
				t.Error("scratch is no image")
			}
		}
	})
}
