package builder

import (
	"context"
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
)

var (
	goVersion    = regexp.MustCompile(`(?m)^go\s+(\S+)`)
	goToolchain  = regexp.MustCompile(`(?m)^toolchain\s+go(\S+)`)
	localReplace = regexp.MustCompile(`(?m)=>\s*\.{1,2}/`)
)

// detectGo takes a tree with a go.mod at its root and one main package, at the
// root or in cmd/*. With several, teal.toml says which; the first one is not
// guessed.
func detectGo(ctx context.Context, t *tree) (*plan, error) {
	if !t.has("go.mod") {
		return nil, nil
	}
	mod, err := t.read(ctx, "go.mod")
	if err != nil {
		return nil, err
	}
	main, why, err := goMain(ctx, t)
	if err != nil {
		return nil, err
	}
	version, asked := goVersionOf(mod)
	p := &plan{kind: "go", on: "scratch", what: "Go " + version + ": go.mod found"}
	p.why = []string{
		"Go: go.mod found, and no Dockerfile",
		asked,
		why,
	}
	p.dockerfile = goDockerfile(goBuild{
		main:     main,
		download: t.has("go.sum") && !t.has("go.work") && !t.has("vendor/modules.txt") && !localReplace.Match(mod),
	})
	return p, nil
}

// goVersionOf reads which Go the module asks for, and says so.
func goVersionOf(mod []byte) (version, why string) {
	if m := goToolchain.FindSubmatch(mod); m != nil {
		return string(m[1]), "version " + string(m[1]) + ": the toolchain line of go.mod"
	}
	if m := goVersion.FindSubmatch(mod); m != nil {
		return string(m[1]), "version " + string(m[1]) + " or newer: the go line of go.mod"
	}
	return "1", "no version in go.mod: the one of teal/go"
}

// goMain finds the main package, as a directory: "." or "cmd/web".
func goMain(ctx context.Context, t *tree) (dir, why string, err error) {
	if t.main != "" {
		ok, err := isMain(ctx, t, t.main)
		if err != nil {
			return "", "", err
		}
		if !ok {
			return "", "", failure(fmt.Sprintf("build.main in teal.toml is %q, and there is no main package", t.main),
				"name a directory with Go files of package main", nil, nil)
		}
		return t.main, "main package " + goPath(t.main) + ": teal.toml says so", nil
	}
	var mains []string
	for _, dir := range append([]string{"."}, t.dirsIn("cmd")...) {
		ok, err := isMain(ctx, t, dir)
		if err != nil {
			return "", "", err
		}
		if ok {
			mains = append(mains, dir)
		}
	}
	switch len(mains) {
	case 1:
		return mains[0], "main package " + goPath(mains[0]) + ": the only one at the root and in cmd/", nil
	case 0:
		return "", "", failure("go.mod found, but no main package at the root or in cmd/",
			"if it lies elsewhere, say so in teal.toml: [build] main = \"./path/of/it\"", nil, nil)
	default:
		for i := range mains {
			mains[i] = goPath(mains[i])
		}
		return "", "", failure("several Go main packages: "+strings.Join(mains, ", "),
			fmt.Sprintf("say in teal.toml which one to run: [build] main = %q", mains[0]), nil, nil)
	}
}

func goPath(dir string) string {
	if dir == "." {
		return "."
	}
	return "./" + dir
}

// isMain tells whether a Go file of package main in the directory is built for Linux.
func isMain(ctx context.Context, t *tree, dir string) (bool, error) {
	for _, name := range t.in(dir) {
		base := path.Base(name)
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") || base[0] == '_' || base[0] == '.' || !t.has(name) {
			continue
		}
		text, err := t.read(ctx, name)
		if err != nil {
			return false, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), base, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil || file.Name.Name != "main" {
			continue // a broken file is for the compiler to explain
		}
		built := true
		for _, group := range file.Comments {
			for _, c := range group.List {
				if expr, err := constraint.Parse(c.Text); err == nil && c.Pos() < file.Package {
					built = built && expr.Eval(linuxTag)
				}
			}
		}
		if built {
			return true, nil
		}
	}
	return false, nil
}

// linuxTag tells whether a build tag holds in our builds, where cgo is off.
func linuxTag(tag string) bool {
	return tag == "linux" || tag == "unix" || tag == "gc" || tag == "amd64" || tag == "arm64" || strings.HasPrefix(tag, "go1.")
}
