package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

const (
	maxLockFile = 32 << 20
	maxMetadata = 1 << 20
	maxWords    = 16 // of a command line that are looked at
	maxHomes    = 8
)

// words are those of the command that the image runs, also of a script that is
// given to a shell. Options and assignments are none of them.
func (b *box) words() []string {
	var all []string
	for _, argument := range slices.Concat(b.config.Entrypoint, b.config.Cmd) {
		for word := range strings.FieldsSeq(argument) {
			word = strings.Trim(word, `"';&|()`)
			if word == "" || word[0] == '-' || strings.ContainsAny(word, "=$`") {
				continue
			}
			if all = append(all, word); len(all) == maxWords {
				return all
			}
		}
	}
	return all
}

// variable gives what the image sets a variable of the environment to.
func (b *box) variable(name string) string {
	for _, line := range b.config.Env {
		if key, value, _ := strings.Cut(line, "="); key == name {
			return value
		}
	}
	return ""
}

// within makes a path of the image absolute.
func (b *box) within(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", b.config.WorkingDir, name)
}

// exists tells whether anything lies at the path.
func (b *box) exists(ctx context.Context, name string) bool {
	_, err := b.engine.ContainerStatPath(ctx, b.id, name)
	return err == nil
}

// homes are the directories that are there of those where an app's own packages
// may lie: where it works, where the files lie that its command names, and where
// images have them by custom.
func (b *box) homes(ctx context.Context) []string {
	if b.homesFound {
		return b.homesThere
	}
	all := []string{path.Clean("/" + b.config.WorkingDir)}
	for _, word := range b.words() {
		if interpreted.MatchString(word) {
			all = append(all, path.Dir(b.within(word)))
		}
	}
	all = append(all, "/app", "/usr/src/app", "/srv", "/var/www/html")
	seen := map[string]bool{"/": true}
	for _, dir := range all {
		if seen[dir] || len(b.homesThere) == maxHomes {
			continue
		}
		seen[dir] = true
		if b.exists(ctx, dir) {
			b.homesThere = append(b.homesThere, dir)
		}
	}
	b.homesFound = true
	return b.homesThere
}

// interpreted matches what an interpreter is given to run.
var interpreted = regexp.MustCompile(`\.(js|mjs|cjs|ts|py|rb|ru|php|jar|war)$`)

// speaks tells whether the image can run programs of a language: it or the system
// has its runtime, or the command calls it.
func (b *box) speaks(name string, there []deploy.Package) bool {
	l := runtimes[name]
	if slices.ContainsFunc(b.words(), func(word string) bool { return l.command.MatchString(path.Base(word)) }) || b.variable(l.variable) != "" {
		return true
	}
	return slices.ContainsFunc(there, func(p deploy.Package) bool {
		switch p.Kind {
		case deploy.PackageRuntime:
			return p.Name == name
		case deploy.PackageDeb, deploy.PackageApk, deploy.PackageRPM:
			return strings.HasPrefix(p.Name, l.packages)
		}
		return false
	})
}

// A lockFile lies beside an app and names its packages, but does not tell what of
// them is in the image.
type lockFile struct {
	name     string
	language string // of runtimes
	kind     deploy.PackageKind
	words    string
	names    func(text []byte) bool // whether it names any
}

var lockFiles = []lockFile{
	{"package.json", "node", deploy.PackageNPM, "npm packages", func(text []byte) bool {
		var p struct {
			Dependencies map[string]any `json:"dependencies"`
		}
		return json.Unmarshal(text, &p) == nil && len(p.Dependencies) > 0
	}},
	{"requirements.txt", "python", deploy.PackagePyPI, "Python packages", regexp.MustCompile(`(?m)^\s*[A-Za-z0-9]`).Match},
	{"poetry.lock", "python", deploy.PackagePyPI, "Python packages", regexp.MustCompile(`(?m)^\[\[package\]\]`).Match},
	{"uv.lock", "python", deploy.PackagePyPI, "Python packages", regexp.MustCompile(`(?ms)^\[\[package\]\].*^\[\[package\]\]`).Match}, // the first is the app
	{"Gemfile.lock", "ruby", deploy.PackageGem, "gems", regexp.MustCompile(`(?m)^    [a-z]`).Match},
	{"composer.lock", "php", deploy.PackageComposer, "Composer packages", regexp.MustCompile(`"packages":\s*\[\s*\{`).Match},
}

// silent says for which languages an app names packages of which none was found.
func (b *box) silent(ctx context.Context, found deploy.Inventory) (all []string) {
	said := map[deploy.PackageKind]bool{}
	for _, f := range lockFiles {
		if found.Of(f.kind) > 0 || !b.speaks(f.language, found.Packages) {
			continue
		}
		for _, home := range b.homes(ctx) {
			if said[f.kind] {
				break
			}
			text, err := b.read(ctx, path.Join(home, f.name), maxLockFile)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !f.names(text) {
				continue
			}
			said[f.kind] = true
			all = append(all, fmt.Sprintf("which %s the app has: %s/%s names some, and none was found beside the system's", f.words, home, f.name))
		}
	}
	return all
}
