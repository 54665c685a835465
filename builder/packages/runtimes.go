package packages

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// VersionFile says in images that Teal makes which version of its language they
// have: "Node 24.21.0". It is no file of any package.
const VersionFile = "/usr/local/share/teal-version"

// language is a runtime that lists name.
type language struct {
	variable string         // that official images set to the version
	packages string         // what the names of a distribution's packages of it begin with
	command  *regexp.Regexp // what the programs that run it are called
}

var runtimes = map[string]language{
	"go":     {"GOLANG_VERSION", "golang", regexp.MustCompile(`^go$`)},
	"java":   {"JAVA_VERSION", "openjdk", regexp.MustCompile(`^(java|catalina\.sh)$|\.(jar|war)$`)},
	"nginx":  {"NGINX_VERSION", "nginx", regexp.MustCompile(`^nginx$`)},
	"node":   {"NODE_VERSION", "nodejs", regexp.MustCompile(`^(node|npm|npx|yarn|pnpm|bun)$`)},
	"php":    {"PHP_VERSION", "php", regexp.MustCompile(`^(php|apache2)`)},
	"python": {"PYTHON_VERSION", "python3", regexp.MustCompile(`^(python|gunicorn|uvicorn|flask|celery|uwsgi|hypercorn|daphne)|\.py$`)},
	"ruby":   {"RUBY_VERSION", "ruby", regexp.MustCompile(`^(ruby|bundle|rails|rackup|puma|rake|sidekiq)$|\.r[bu]$`)},
	"rust":   {"RUST_VERSION", "rustc", regexp.MustCompile(`^cargo$`)},
}

// runtimes finds the language runtimes that no package of the system brings.
// Teal's note of what the image really printed counts more than a variable of the
// same language, which anyone may have set.
func (b *box) runtimes(ctx context.Context, system []deploy.Package) ([]deploy.Package, error) {
	text, err := b.read(ctx, VersionFile, maxSmall)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	found := noted(text)
	for _, p := range declared(b.config.Env) {
		if !slices.ContainsFunc(found, func(n deploy.Package) bool { return n.Name == p.Name }) {
			found = append(found, p)
		}
	}
	return slices.DeleteFunc(found, func(r deploy.Package) bool {
		return slices.ContainsFunc(system, func(p deploy.Package) bool { return brings(p, r) })
	}), err
}

// noted reads a VersionFile: "Node 24.21.0", "rustc 1.90.0".
func noted(text []byte) []deploy.Package {
	var all []deploy.Package
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 2 || words[1][0] < '0' || words[1][0] > '9' {
			continue
		}
		name := strings.ToLower(words[0])
		if name == "rustc" {
			name = "rust"
		}
		if _, known := runtimes[name]; known {
			all = append(all, runtimeOf(name, words[1]))
		}
	}
	return all
}

// declared takes the versions from the variables that official images set.
func declared(env []string) []deploy.Package {
	var all []deploy.Package
	for _, line := range env {
		key, value, _ := strings.Cut(line, "=")
		for name, l := range runtimes {
			if l.variable == key && value != "" {
				all = append(all, runtimeOf(name, value))
			}
		}
	}
	return all
}

func runtimeOf(name, version string) deploy.Package {
	return deploy.Package{Kind: deploy.PackageRuntime, Name: name, Version: deploy.Clean(version, 60)}
}

// brings tells whether the package of a distribution is this very runtime, which
// is then listed once, with the version that has the distribution's fixes: Python
// 3.11.2 is python3.11 3.11.2-6+deb12u6.
func brings(p, r deploy.Package) bool {
	if p.Kind != deploy.PackageDeb && p.Kind != deploy.PackageApk || !strings.HasPrefix(p.Name, runtimes[r.Name].packages) {
		return false
	}
	version := p.Version
	if _, after, epoch := strings.Cut(version, ":"); epoch {
		version = after
	}
	rest, same := strings.CutPrefix(version, r.Version)
	return same && (rest == "" || !strings.ContainsAny(rest[:1], ".0123456789"))
}
