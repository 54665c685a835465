package builder

import (
	"context"
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

var (
	goVersion    = regexp.MustCompile(`(?m)^go\s+(\S+)`)
	goToolchain  = regexp.MustCompile(`(?m)^toolchain\s+go(\S+)`)
	localReplace = regexp.MustCompile(`(?m)=>\s*\.{1,2}/`)
)

// detectGo takes a tree with a go.mod or a go.work at its root and a main package, at the
// root or in cmd/*. With several, a Procfile or teal.toml says which one starts;
// the first one is not guessed. Where the app declares commands, all main
// packages are built, as any of them may be meant.
func detectGo(ctx context.Context, t *tree) (*plan, error) {
	found := firstOf([]string{"go.mod", "go.work"}, t.has)
	if found == "" {
		return nil, nil
	}
	mod, err := t.source.ReadFile(ctx, found, maxSourceFile)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", found, err)
	}
	if anyPrefix(string(mod), byteOrderMark, "\xff\xfe", "\xfe\xff") {
		return nil, failure(found+" begins with a byte order mark, which Go refuses", "save it as plain UTF-8, without a mark (BOM), commit and push again", nil, nil)
	}
	if found == "go.work" {
		if t.work, err = readWorkspace(ctx, t, mod); err != nil {
			return nil, err
		}
		if len(t.work) == 0 {
			return nil, failure("go.work found, and none of the modules that it uses", "commit them, or name the directory of one in teal.toml: [build] root", nil, nil)
		}
	}
	g, err := goApp(ctx, t, mod)
	if err != nil {
		return nil, err
	}
	version, asked := goVersionOf(mod)
	p := &plan{kind: "go", on: "scratch", what: "Go " + version + ": " + found + " found", resolve: g.programs.resolve}
	p.why = append([]string{"Go: " + found + " found, and no Dockerfile", strings.ReplaceAll(asked, "go.mod", found)}, g.why...)
	if g.base = len(t.apt) > 0; g.base {
		p.why = append(p.why, "runs on teal/base: there is an Aptfile")
	}
	c, err := needsC(ctx, t, append(t.work.text(), mod...))
	if err != nil {
		return nil, err
	}
	if c != "" {
		g.cgo, g.base, g.buildApt = true, true, t.apt
		p.why = append(p.why, c+": built with a C compiler, runs on teal/base")
	}
	for _, c := range t.commands {
		base, err := g.programs.needsBase(t, c)
		if err != nil {
			return nil, err
		}
		if base && !g.base {
			g.base = true
			p.why = append(p.why, "runs on teal/base: "+c.what+" needs a shell, or a program that is not the app's own")
		}
	}
	if g.base {
		p.on = stackPrefix + "base"
	}
	g.files, g.dirs = t.beside()
	if beside := append(slices.Clone(g.files), g.dirs...); len(beside) > 0 {
		p.why = append(p.why, "beside the program in /app: "+deploy.Clean(strings.Join(beside, ", "), 200))
	}
	g.apt, g.args = runtimeOf(t.apt), t.buildArgs()
	g.download = t.has("go.sum") && !t.has("go.work") && !t.has("vendor/modules.txt") && !localReplace.Match(mod)
	p.dockerfile = goDockerfile(g)
	return p, nil
}

// goApp finds what is built, and what starts.
func goApp(ctx context.Context, t *tree, mod []byte) (g goBuild, err error) {
	if t.web == "" || t.main != "" {
		main, why, err := goMain(ctx, t)
		if err != nil {
			return g, err
		}
		g.programs, g.why = goPrograms{{main, t.nameOf(mod, main)}}, []string{why}
		g.argv = []string{goBin + g.programs[0].name}
	}
	if len(t.commands) == 0 {
		return g, nil
	}
	all, err := findGoPrograms(ctx, t, mod)
	if err != nil {
		return g, err
	}
	if t.main != "" {
		all = all.narrow(t.main, t.commands)
	}
	var left []string
	if all, left, err = all.apart(t.commands); err != nil {
		return g, err
	}
	if len(g.programs) > 0 && all.at(g.programs[0].name) < 0 {
		all = append(all, g.programs[0])
	}
	if len(all) == 0 {
		return g, failure("go.mod found, but no main package", "a program is a directory with Go files of package main", nil, nil)
	}
	g.programs = all
	g.why = append(g.why, "programs: "+deploy.Clean(all.names(), 300))
	if len(left) > 0 {
		g.why = append(g.why, "not built, as their programs would have the same name: "+deploy.Clean(strings.Join(left, ", "), 300))
	}
	if t.web != "" {
		g.argv = all.argv(t.web)
		g.why = append(g.why, "start: the declared web process, "+deploy.Clean(strings.Join(g.argv, " "), 120))
	}
	return g, nil
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
		if all, err := findGoPrograms(ctx, t, nil); err != nil {
			return "", "", err
		} else if len(all) == 1 {
			return all[0].dir, "main package " + goPath(all[0].dir) + ": the only one", nil
		} else if len(all) > 1 {
			return "", "", failure("several Go main packages, none of them at the root or in cmd/: "+deploy.Clean(strings.Join(all.paths(), ", "), 200),
				fmt.Sprintf("say in teal.toml which one to run: [build] main = %q", goPath(all[0].dir)), nil, nil)
		}
		return "", "", failure("go.mod found, but no main package",
			"a library can't be deployed: a program is a directory with Go files of package main", nil, nil)
	default:
		for i := range mains {
			mains[i] = goPath(mains[i])
		}
		return "", "", failure("several Go main packages: "+strings.Join(mains, ", "),
			fmt.Sprintf("say in teal.toml which one to run: [build] main = %q, or in a Procfile: web: %s", mains[0], path.Base(mains[1])), nil, nil)
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
		if err != nil {
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
		if built { // a directory's files are all of one package
			return file.Name.Name == "main", nil
		}
	}
	return false, nil
}

// linuxTag tells whether a build tag holds in our builds, where cgo is off.
func linuxTag(tag string) bool {
	return tag == "linux" || tag == "unix" || tag == "gc" || tag == "amd64" || tag == "arm64" || strings.HasPrefix(tag, "go1.")
}
