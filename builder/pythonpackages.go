package builder

import (
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"teal/deploy"
)

var (
	requiresPython = regexp.MustCompile(`(?m)^\s*requires-python\s*=\s*["']([^"']+)["']`)
	poetryPython   = regexp.MustCompile(`(?m)^\s*python\s*=\s*["']([^"']+)["']`)
	pipfilePython  = regexp.MustCompile(`(?m)^\s*python(?:_full)?_version\s*=\s*["']([^"']+)["']`)
)

// asks finds the version that the app asks for.
func (a *pythonApp) asks(ctx context.Context) (wish, error) {
	for _, from := range []struct {
		file    string
		pattern *regexp.Regexp // nil: all of it
	}{{".python-version", nil}, {"runtime.txt", nil}, {"Pipfile", pipfilePython}, {"pyproject.toml", requiresPython}, {"pyproject.toml", poetryPython}} {
		text, err := a.t.readSmall(ctx, from.file)
		if err != nil {
			return wish{}, err
		}
		v := versionIn(text)
		if from.pattern != nil {
			v = ""
			if m := from.pattern.FindStringSubmatch(text); m != nil {
				v = m[1]
			}
		}
		if v = strings.TrimPrefix(v, "python-"); v == "" {
			continue
		}
		if !strings.ContainsAny(v, "0123456789*") { // pyenv names environments there, too
			return wish{from: from.file + ` says "` + deploy.Clean(v, 40) + `", which is no version`}, nil
		}
		return wish{v, from.file}, nil
	}
	return a.t.toolVersion(ctx, "python")
}

// dependencies finds out how they are installed. Wheels that lie in the tree
// are taken from there, and nothing is fetched.
func (a *pythonApp) dependencies(ctx context.Context) error {
	for _, name := range []string{"requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt", "pyproject.toml", "Pipfile", "Pipfile.lock", "setup.py", "setup.cfg"} {
		if err := a.read(ctx, name); err != nil {
			return err
		}
	}
	a.needs += strings.Join(a.t.apt, "\n")
	a.pip = "pip install"
	wheels := a.wheels()
	if wheels != "" {
		a.pip += " --no-index --find-links " + wheels
	}
	switch {
	case a.t.has("requirements.txt"):
		a.requirements(ctx, "requirements.txt")
	case a.t.has("uv.lock"):
		a.install = []string{a.pip + " uv && uv sync --frozen --no-dev --no-install-project --active"}
		a.files, a.why = []string{"pyproject.toml", "uv.lock"}, "packages: uv, exactly those of uv.lock"
	case a.t.has("poetry.lock"):
		a.install = []string{a.pip + " poetry && poetry install --only main --no-root"}
		a.files, a.why = []string{"pyproject.toml", "poetry.lock"}, "packages: poetry, exactly those of poetry.lock"
	case a.t.has("pdm.lock"):
		a.install = []string{a.pip + " pdm && pdm install --prod --no-self --frozen-lockfile"}
		a.files, a.why = []string{"pyproject.toml", "pdm.lock"}, "packages: pdm, exactly those of pdm.lock"
	case a.t.has("Pipfile.lock"):
		a.install = []string{a.pip + " pipenv && PIPENV_IGNORE_VIRTUALENVS=0 pipenv install --deploy"}
		a.files, a.why = []string{"Pipfile", "Pipfile.lock"}, "packages: pipenv, exactly those of Pipfile.lock"
	case a.t.has("Pipfile"):
		a.install = []string{a.pip + " pipenv && pipenv install --skip-lock"}
		a.files, a.why = []string{"Pipfile"}, "packages: pipenv"
		a.warn = []string{"there is no Pipfile.lock: every build may get other versions of its packages. Run pipenv lock and commit the file"}
	case a.t.has("pyproject.toml") || a.t.has("setup.py"):
		if err := a.project(ctx); err != nil {
			return err
		}
	default:
		if name := firstOf([]string{"requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"}, a.t.has); name != "" {
			a.requirements(ctx, name)
			a.files = nil // they include each other
		}
	}
	var err error
	if a.tokens, err = a.t.tokens(ctx, "requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"); err != nil {
		return err
	}
	if inTree.MatchString(a.needs) && !a.t.has("requirements.txt") {
		a.files = nil
	}
	if wheels != "" && a.why != "" {
		a.why += "; from the wheels in " + wheels + " alone"
	}
	return nil
}

// inTree is how a lock file's tool is told of packages that lie in the tree.
var inTree = regexp.MustCompile(`\bpath\s*=\s*["']|\bworkspace\s*=\s*true|tool\.uv\.workspace|\bfile:`)

var includes = regexp.MustCompile(`(?m)^\s*(?:-r|--requirement)[\s=]*([^\s#]+)`)

// read adds a file to what names dependencies, and those that it includes. Those
// with a hash for each package get long: what is too long even so names nothing here.
func (a *pythonApp) read(ctx context.Context, name string) error {
	if slices.Contains(a.seen, name) || len(a.seen) > 30 || !a.t.has(name) || a.t.files[name].Size > maxSourceFile {
		return nil
	}
	a.seen = append(a.seen, name)
	data, err := a.t.read(ctx, name)
	if err != nil && !errors.Is(err, deploy.ErrNotFound) {
		return err
	}
	text := string(data)
	a.needs += strings.ToLower(text) + "\n"
	if path.Ext(name) != ".txt" {
		return nil
	}
	for _, m := range includes.FindAllStringSubmatch(text, -1) {
		if err := a.read(ctx, path.Join(path.Dir(name), m[1])); err != nil {
			return err
		}
	}
	return nil
}

// project is for a pyproject.toml or setup.py without a lock file. What names no
// build system is no package: its dependencies are installed by themselves, as
// setuptools refuses to make one of a tree with several directories.
func (a *pythonApp) project(ctx context.Context) error {
	const loose = "there is no lock file (uv.lock, poetry.lock, pdm.lock, requirements.txt with ==): every build may get other versions of its packages"
	text, err := a.t.read(ctx, "pyproject.toml")
	if err != nil && !errors.Is(err, deploy.ErrNotFound) {
		return err
	}
	var file struct {
		Project *struct {
			Dependencies []string `toml:"dependencies"`
			Dynamic      []string `toml:"dynamic"`
		} `toml:"project"`
		BuildSystem map[string]any `toml:"build-system"`
		Tool        map[string]any `toml:"tool"`
	}
	if err := toml.Unmarshal(text, &file); err != nil {
		return failure("pyproject.toml cannot be read: "+deploy.Clean(err.Error(), 200), "correct it, commit and push again", nil, err)
	}
	_, poetry := file.Tool["poetry"]
	switch {
	case poetry && file.Project == nil:
		a.install = []string{a.pip + " poetry && poetry install --only main --no-root"}
		a.files, a.why, a.warn = []string{"pyproject.toml"}, "packages: poetry", []string{"there is no poetry.lock: every build may get other versions of its packages. Run poetry lock and commit the file"}
	case file.Project != nil && file.BuildSystem == nil && len(file.Project.Dynamic) == 0 && !a.t.has("setup.py"):
		a.why = "packages: pip, the dependencies in pyproject.toml"
		if len(file.Project.Dependencies) > 0 {
			a.install, a.warn = []string{a.pip + " " + shellWords(file.Project.Dependencies)}, []string{loose}
			a.files = []string{} // none is read
		}
	case file.Project != nil || file.BuildSystem != nil || a.t.has("setup.py"):
		a.install, a.why, a.warn = []string{a.pip + " ."}, "packages: pip, those of the project itself", []string{loose}
	}
	return nil
}

// shellWords writes words for a shell's command line.
func shellWords(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+strings.ReplaceAll(strings.Join(strings.Fields(w), " "), "'", `'\''`)+"'")
	}
	return strings.Join(all, " ")
}

// requirements is for requirements.txt, and what it includes.
func (a *pythonApp) requirements(ctx context.Context, name string) {
	a.install = []string{a.pip + " --requirement " + name}
	a.why = "packages: pip, " + name
	text, _ := a.t.readSmall(ctx, name) // was read before
	loose := false
	a.files = []string{name}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case anyPrefix(line, "-r", "-c", "-e", "--requirement", "--constraint", "--editable", ".", "file:") || strings.Contains(line, "@ file:"):
			a.files = nil
		case line[0] != '-' && !strings.Contains(line, "==") && !strings.Contains(line, "@"):
			loose = true
		}
	}
	if loose && !a.t.hasApt(languageOf("python").libraries) && a.wheels() == "" {
		a.warn = []string{name + " does not pin every package with ==: every build may get other versions. pip freeze writes them down"}
	}
}
