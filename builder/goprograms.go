package builder

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// goBin is where the programs of a Go app lie; it is on PATH.
const goBin = "/app/bin/"

// goProgram is a main package and the program that it becomes.
type goProgram struct{ dir, name string }

// goPrograms are those of one tree.
type goPrograms []goProgram

var (
	goModule     = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)`)
	majorVersion = regexp.MustCompile(`^v([2-9]|[1-9][0-9]+)$`)
)

// goNameOf is what "go build" calls the program of a directory: the last word of
// its import path that is no major version.
func goNameOf(mod []byte, dir string) string {
	module := "app"
	if m := goModule.FindSubmatch(mod); m != nil {
		module = string(m[1])
	}
	p := path.Join(module, dir)
	if name := path.Base(p); !majorVersion.MatchString(name) || path.Dir(p) == "." {
		return name
	}
	return path.Base(path.Dir(p))
}

// findGoPrograms gives every main package of the module, wherever it lies.
func findGoPrograms(ctx context.Context, t *tree, mod []byte) (goPrograms, error) {
	var all goPrograms
	seen := map[string]bool{}
	for _, p := range t.paths {
		dir := path.Dir(p)
		if seen[dir] || !strings.HasSuffix(p, ".go") || t.outsideModule(dir) {
			continue
		}
		seen[dir] = true
		ok, err := isMain(ctx, t, dir)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, goProgram{dir, t.nameOf(mod, dir)})
		}
	}
	return all, nil
}

// outsideModule tells whether "./..." leaves the directory out.
func (t *tree) outsideModule(dir string) bool {
	if !t.inModule(dir) {
		return true
	}
	for ; dir != "."; dir = path.Dir(dir) {
		base := path.Base(dir)
		if base == "vendor" || base == "testdata" || base[0] == '.' || base[0] == '_' || t.has(dir+"/go.mod") && t.work[dir] == nil {
			return true
		}
	}
	return false
}

// narrow leaves main and those that the commands name, for an app that says
// which package it is about.
func (g goPrograms) narrow(main string, commands []command) goPrograms {
	kept := g[:0:0]
	for _, p := range g {
		if p.dir == main {
			kept = append(kept, p)
		}
	}
	for _, p := range g {
		if p.dir != main && named(p.name, commands) && kept.at(p.name) < 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// apart makes names unique: two packages that would become the same program are
// left out, and refused when a command names it.
func (g goPrograms) apart(commands []command) (goPrograms, []string, error) {
	var kept goPrograms
	var left []string
	for _, p := range g {
		var same []string
		for _, other := range g {
			if other.name == p.name {
				same = append(same, goPath(other.dir))
			}
		}
		switch {
		case len(same) == 1:
			kept = append(kept, p)
		case named(p.name, commands):
			return nil, nil, failure(fmt.Sprintf("several Go main packages would become the program %s: %s", p.name, strings.Join(same, ", ")),
				fmt.Sprintf("say in teal.toml which one it is, [build] main = %q, or rename the other's directory", same[0]), nil, nil)
		default:
			left = append(left, goPath(p.dir))
		}
	}
	return kept, left, nil
}

// named tells whether one of the commands has the program's name as a word, or
// as the end of a path.
func named(name string, commands []command) bool {
	return slices.ContainsFunc(commands, func(c command) bool {
		return slices.ContainsFunc(c.words(), func(word string) bool { return word == name || strings.HasSuffix(word, "/"+name) })
	})
}

func (g goPrograms) at(name string) int {
	return slices.IndexFunc(g, func(p goProgram) bool { return p.name == name })
}

// paths are the directories, as "go build" wants them.
func (g goPrograms) paths() (all []string) {
	for _, p := range g {
		all = append(all, goPath(p.dir))
	}
	return all
}

func (g goPrograms) names() string {
	var all []string
	for _, p := range g {
		all = append(all, p.name)
	}
	return strings.Join(all, ", ")
}

// program gives the name of the program that a word means: Heroku's users write
// web, bin/web and ./web.
func (g goPrograms) program(word string) (string, bool) {
	for _, prefix := range []string{"/app/", "./", "bin/"} {
		word = strings.TrimPrefix(word, prefix)
	}
	return word, g.at(word) >= 0
}

// argv makes a command of a line that may begin with one of the programs.
func (g goPrograms) argv(line string) []string { return commandOf(g.resolve(line)) }

// resolve writes the program that a line may begin with as its path.
func (g goPrograms) resolve(line string) string {
	set, rest := "", strings.TrimSpace(line)
	word, args, _ := strings.Cut(rest, " ")
	for assignment.MatchString(word) && args != "" {
		set, rest = set+word+" ", strings.TrimSpace(args)
		word, args, _ = strings.Cut(rest, " ")
	}
	if name, ok := g.program(word); ok {
		rest = strings.TrimSpace(goBin + name + " " + args)
	}
	return set + rest
}

// needsBase tells whether the command takes more than the programs themselves: a
// shell, a script, a program of Debian's. What can't be there is refused.
func (g goPrograms) needsBase(t *tree, c command) (bool, error) {
	argv, word := c.argv, ""
	if c.line != "" {
		argv = g.argv(c.line)
		word, _, _ = strings.Cut(strings.TrimSpace(c.line), " ")
		if _, ok := g.program(word); ok {
			return argv[0] == "/bin/sh", nil
		}
	} else if len(argv) > 0 {
		word = argv[0]
	}
	inApp := strings.TrimPrefix(path.Clean(word), "/app/")
	name, ours := g.program(word)
	switch {
	case word == "go":
		return false, failure(fmt.Sprintf("%s: there is no go command where the app runs", c.what), "name the program instead, one of "+g.names(), nil, nil)
	case ours && (inApp == name || inApp == "bin/"+name) && (inApp != name || word == name):
		return false, nil
	case ours, word == "/app":
		return false, failure(fmt.Sprintf("%s: there is no program %s", c.what, word), "the programs lie in "+goBin+", which is on PATH: "+g.names(), nil, nil)
	case !strings.Contains(word, "/") || needsShell(word) || assignment.MatchString(word), t.has(inApp):
		return true, nil
	case path.IsAbs(inApp):
		return true, nil
	}
	return false, failure(fmt.Sprintf("%s: there is no program %s: neither a file of the repository, nor a Go main package", c.what, deploy.Clean(word, 80)),
		"there are these main packages' programs: "+g.names(), nil, nil)
}
