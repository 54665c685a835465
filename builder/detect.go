package builder

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	"teal/deploy"
)

// kind is one row of the table of what Teal builds without a Dockerfile. To
// widen the table, add a row and a file with its detect function.
type kind struct {
	name string // "Go"
	// looks is what the row looks for, as a person would name it: for the
	// message that says that nothing was found.
	looks string
	// marks are files whose presence alone makes people expect this row.
	marks []string
	// detect gives the plan, or nil when the tree is not of this kind. A tree
	// that is of this kind but can't be built is a *deploy.Failure.
	detect func(ctx context.Context, t *tree) (*plan, error)
}

// key is what [build] language calls the row: "go", "static".
func (k kind) key() string {
	first, _, _ := strings.Cut(strings.ToLower(k.name), " ")
	return first
}

// kinds is the table. The first row that has a plan wins: languages before static sites, as many apps carry an
// index.html or a public/ as well, and Node last of them, as apps in other
// languages bring a package.json for what browsers get.
var kinds = []kind{
	{name: "Go", looks: "go.mod at the root", marks: []string{"go.mod", "go.work"}, detect: detectGo},
	{name: "Rust", looks: "Cargo.toml", marks: []string{"Cargo.toml"}, detect: detectRust},
	{name: "Java", looks: "pom.xml", marks: []string{"pom.xml"}, detect: detectJava},
	{name: "PHP", looks: "composer.json or index.php at the root, in public/ or the like", marks: []string{"composer.json", "index.php"}, detect: detectPHP},
	{name: "Ruby", looks: "Gemfile or config.ru", marks: []string{"Gemfile", "config.ru"}, detect: detectRuby},
	{name: "Python", looks: "requirements.txt, pyproject.toml, Pipfile or manage.py", marks: []string{"requirements.txt", "pyproject.toml", "Pipfile", "manage.py"}, detect: detectPython},
	{name: "Node", looks: "package.json", marks: []string{"package.json"}, detect: detectNode},
	{name: "static site", looks: "index.html at the root, in public/, dist/ or the like, or a Staticfile", marks: []string{"Staticfile"}, detect: detectStatic},
	{name: "Procfile", looks: "a Procfile with a web process", detect: detectProcfile},
}

// tree is what a detect function looks at.
type tree struct {
	main string            // build.main of teal.toml
	kind string            // build.language of teal.toml: key of the only row that is asked; "": all are
	web  string            // the command line of the web process, where the app declares one; ""
	apt  []string          // packages of the Aptfile
	args map[string]string // build.args of teal.toml
	work workspace         // modules of a go.work, which stands in for the go.mod at the root
	// commands are all that the app declares, web among them.
	commands []command
	// predeploy are lines of app.json's that build assets, for the build to do.
	predeploy []string
	// keep tells whether a build gets the file; nil: it gets all.
	keep func(path string) bool
	// online tells whether a container registry answers, so that every version of
	// a language can be had; nil: none does.
	online func() bool
	// here names the stack images that are here ("python:3.12"); nil: none is.
	here func() ([]string, error)

	source deploy.Source
	files  map[string]deploy.File
	paths  []string // sorted
}

// version chooses the version of a language.
func (t *tree) version(language string, a wish) (chosen, error) {
	l := languageOf(language)
	o, err := t.offer(l)
	if err != nil {
		return chosen{}, err
	}
	return l.choose(a, o)
}

// offer says which versions of the language can be had. A registry that is silent
// for a while takes no version away from the apps that are on it: those whose stack
// image is here can be had.
func (t *tree) offer(l language) (offer, error) {
	switch {
	case l.debian == "":
		return offer{}, nil
	case l.libraries != "" && t.hasApt(l.libraries):
		return offer{only: "the Aptfile has libraries of Debian's " + l.title}, nil
	case t.online != nil && t.online():
		return offer{}, nil
	}
	o := offer{only: "no container registry answers"}
	if t.here == nil {
		return o, nil
	}
	names, err := t.here()
	for _, name := range names {
		if of, line, _ := strings.Cut(name, ":"); of == l.name {
			o.lines = append(o.lines, line)
		}
	}
	return o, err
}

// maxSourceFile is the longest file that detection reads.
const maxSourceFile = 4 << 20

func newTree(ctx context.Context, source deploy.Source) (*tree, error) {
	files, err := source.Files(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the commit's files: %w", err)
	}
	t := &tree{source: source, files: make(map[string]deploy.File, len(files))}
	for _, f := range files {
		t.files[f.Path] = f
		t.paths = append(t.paths, f.Path)
	}
	sort.Strings(t.paths)
	return t, nil
}

// has tells whether a regular file is there.
func (t *tree) has(name string) bool {
	f, ok := t.files[name]
	return ok && f.Mode.IsRegular()
}

// hasDir tells whether a file lies below the directory.
func (t *tree) hasDir(dir string) bool {
	i := sort.SearchStrings(t.paths, dir+"/")
	return i < len(t.paths) && strings.HasPrefix(t.paths[i], dir+"/")
}

// in lists the files right in a directory ("." for the root), without those below.
func (t *tree) in(dir string) []string {
	var found []string
	for _, p := range t.paths {
		if path.Dir(p) == dir {
			found = append(found, p)
		}
	}
	return found
}

// dirsIn lists the directories right in a directory that have a file right in them.
func (t *tree) dirsIn(dir string) []string {
	seen := map[string]bool{}
	var found []string
	for _, p := range t.paths {
		if d := path.Dir(p); path.Dir(d) == dir && !seen[d] {
			seen[d] = true
			found = append(found, d)
		}
	}
	return found
}

// read gives the text of a file, as plain has it.
func (t *tree) read(ctx context.Context, name string) ([]byte, error) {
	data, err := t.source.ReadFile(ctx, name, maxSourceFile)
	if err != nil && !errors.Is(err, deploy.ErrNotFound) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return []byte(plain(data)), err
}

// detect goes through the table.
func detect(ctx context.Context, t *tree) (*plan, error) {
	if t.kind != "" {
		return t.detectOnly(ctx)
	}
	for i, k := range kinds {
		p, err := k.detect(ctx, t)
		if err != nil {
			return nil, err
		}
		if p != nil {
			p.why = append(p.why, alsoHere(t, i, p)...)
			p.warn = append(p.warn, present(t.foreign(k.key()))...)
			return p, nil
		}
	}
	return nil, nothingFound(t)
}

// detectOnly asks the row that teal.toml names.
func (t *tree) detectOnly(ctx context.Context) (*plan, error) {
	var keys []string
	for _, k := range kinds {
		keys = append(keys, k.key())
		if k.key() != t.kind {
			continue
		}
		p, err := k.detect(ctx, t)
		if err != nil || p != nil {
			return p, err
		}
		return nil, failure(fmt.Sprintf("teal.toml says that the app is %s, and there is none: neither %s", k.name, strings.ReplaceAll(k.looks, " or ", " nor ")),
			"commit what is missing, or correct [build] language", nil, nil)
	}
	return nil, failure(fmt.Sprintf("build.language in teal.toml is %q, which Teal does not know", deploy.Clean(t.kind, 40)),
		"there are "+strings.Join(keys, ", ")+"; for others add a Dockerfile", nil, nil)
}
