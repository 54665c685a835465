package builder

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"teal/deploy"
)

// nearMisses are what people push when they expect Teal to know it: each name is
// a shell pattern of a file at the root.
var nearMisses = []struct{ pattern, say string }{
	{"*.[Dd]ockerfile", "is not called Dockerfile: name it in teal.toml, [build] dockerfile"},
	{"Dockerfile.*", "is not called Dockerfile: name it in teal.toml, [build] dockerfile"},
	{"Containerfile", "is not called Dockerfile: name it in teal.toml, [build] dockerfile"},
	{"Procfile.*", "is not called Procfile"},
	{"index.htm", "is not called index.html"},
	{"*.go", "is Go, but there is no go.mod: go mod init makes one"},
	{"*.rs", "is Rust, but there is no Cargo.toml: cargo init makes one"},
	{"*.js", "is JavaScript, but there is no package.json: npm init makes one"},
	{"*.ts", "is TypeScript, but there is no package.json: npm init makes one"},
	{"*.rb", "is Ruby, but there is no Gemfile and no config.ru"},
	{"*.py", "is Python, but there is no requirements.txt, and no file with a usual name such as app.py"},
	{"*.php", "is PHP, but there is no index.php"},
	{"build.gradle*", "is Gradle's, which needs a Dockerfile: of Java, Teal builds what Maven does"},
	{"environment.y*ml", "is Conda's, which needs a Dockerfile: of Python, Teal takes requirements.txt, uv, Poetry, PDM and Pipenv"},
	{"*.csproj", "is .NET's, which needs a Dockerfile"},
	{"*.sln", "is .NET's, which needs a Dockerfile"},
	{"mix.exs", "is Elixir's, which needs a Dockerfile"},
	{"deno.json*", "is Deno's, which needs a Dockerfile"},
	{"Package.swift", "is Swift's, which needs a Dockerfile"},
	{"project.clj", "is Clojure's, which needs a Dockerfile"},
	{"build.sbt", "is Scala's, which needs a Dockerfile"},
	{"CMakeLists.txt", "is CMake's, which needs a Dockerfile"},
	{"docker-compose.y*ml", "is Compose's, which is not read: one app is one image"},
	{"compose.y*ml", "is Compose's, which is not read: one app is one image"},
}

// nothingFound is the failure for a tree of no kind. It says what came nearest.
func nothingFound(t *tree) *deploy.Failure {
	const reason = "there is no Dockerfile, and nothing else that Teal knows how to build"
	var looked []string
	for _, k := range kinds {
		looked = append(looked, fmt.Sprintf("%s (%s)", k.looks, k.name))
	}
	hint := "add a Dockerfile, or one of: " + strings.Join(looked, "; ")
	switch lines := t.misspelled(); {
	case len(t.paths) == 0:
		return failure("there are no files", hint, nil, nil)
	case len(lines) > 0:
		return failure(reason+": "+lines[0], "rename it: git mv tells capitals apart", nil, nil)
	case t.has("Procfile"):
		return failure("the Procfile has no web process, and nothing else says what answers requests",
			"add one to the Procfile, web: COMMAND; the app gets its port in PORT", nil, nil)
	}
	if near := t.nearMiss(); near != "" {
		return failure(reason+": "+near, hint, nil, nil)
	}
	if dirs := t.below(); len(dirs) > 0 {
		hint = fmt.Sprintf("%s could be built: say in teal.toml which directory the app lies in, [build] root = %q; or %s", strings.Join(dirs, ", "), path.Dir(dirs[0]), hint)
	}
	return failure(reason, hint, nil, nil)
}

// nearMiss is the first of nearMisses that is there, and what to say of it.
func (t *tree) nearMiss() string { return t.nearMissThat(func(string) bool { return true }) }

// nearMissThat is the first of those for which is holds of what is to be said.
func (t *tree) nearMissThat(is func(say string) bool) string {
	for _, m := range nearMisses {
		if !is(m.say) {
			continue
		}
		for _, name := range t.in(".") {
			if ok, err := path.Match(m.pattern, name); err == nil && ok && t.has(name) {
				return deploy.Clean(name, 60) + " " + m.say
			}
		}
	}
	return ""
}

// foreign warns of a file of another language that only a Dockerfile builds, where
// what was taken may be a part of the app alone: the pages beside a server.
func (t *tree) foreign(taken string) string {
	if taken != "node" && taken != "static" && taken != "procfile" {
		return ""
	}
	near := t.nearMissThat(func(say string) bool {
		ofNode := taken == "node" && (strings.Contains(say, "Deno") || strings.Contains(say, "CMake")) // its tools read them, too
		return strings.Contains(say, "needs a Dockerfile") && !ofNode
	})
	if near == "" {
		return ""
	}
	return near + ". Nothing of it is built here"
}

// below finds files in directories below the root that a row would go by, a few
// of them: those right below it, else those one further down.
func (t *tree) below() []string {
	for depth := 1; depth <= 2; depth++ {
		var found []string
		for _, p := range t.paths {
			name := path.Base(p)
			if strings.Count(p, "/") == depth && p[0] != '.' && len(found) < 3 &&
				(name == "Dockerfile" || slices.ContainsFunc(kinds, func(k kind) bool { return slices.Contains(k.marks, name) })) {
				found = append(found, deploy.Clean(p, 80))
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// alsoHere tells of rows after the one that was taken that would have gone by a
// file of the tree as well: whoever expected the other one sees why it was not.
func alsoHere(t *tree, taken int, p *plan) []string {
	var lines []string
	for _, k := range kinds[taken+1:] {
		if p.assets && k.key() == "node" {
			continue
		}
		if name := firstOf(k.marks, t.has); name != "" {
			lines = append(lines, fmt.Sprintf("%s is here, too: %s goes before %s. [build] language = %q in teal.toml takes the other one", name, kinds[taken].name, k.name, k.key()))
		}
	}
	return lines
}
