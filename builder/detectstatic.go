package builder

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"teal/deploy"
)

// detectStatic takes a tree of files to be served: a Staticfile names their
// directory, else it is one of pageDirs, where an index.html must be. An app
// that declares a web process is none, unless it says so itself.
func detectStatic(ctx context.Context, t *tree) (*plan, error) {
	root, why, spa := "", "", false
	switch {
	case t.web != "" && t.kind == "" && !t.has("Staticfile"):
		return nil, nil
	case t.has("Staticfile"):
		file, err := readStaticfile(ctx, t)
		if err != nil {
			return nil, err
		}
		root, spa, why = file.root, file.spa, "directory "+file.root+": the Staticfile says so"
		if root != "." && !t.hasDir(root) {
			return nil, failure(fmt.Sprintf("the Staticfile's root is %q, and there are no files in it", root),
				"commit the directory, or correct the Staticfile", nil, nil)
		}
	default:
		if root, why = t.page(); root == "" {
			return nil, nil
		}
		if err := t.refuseFrontMatter(ctx, path.Join(root, "index.html")); err != nil {
			return nil, err
		}
	}
	p := &plan{
		kind: "static", on: stackPrefix + "static", paths: []string{"/public"},
		what:       "static site: files in " + root,
		why:        []string{"static site: no Dockerfile, and no language that is known", why},
		dockerfile: staticDockerfile(root, spa),
	}
	if spa {
		p.why = append(p.why, "unknown paths get index.html: spa in the Staticfile")
	}
	if t.has("package.json") && t.kind == "" { // Node passed it on: see forTools
		p.why = append(p.why, "package.json has nothing to start or to build: it is for tools")
	}
	if root == "." {
		p.omit = []string{manifestName, "Staticfile", ".git*"}
	}
	return p, nil
}

// pageDirs are where people keep pages that are served as they are, and where
// tools put those that they make.
var pageDirs = []string{"public", ".", "dist", "build", "_site", "out", "docs", "site", "www", "html", "htdocs", "public_html"}

// page finds the directory with an index.html; "" for none. Beside what is no
// site, docs/ and the like are about it, and are not what is to be served.
func (t *tree) page() (dir, why string) {
	for i, dir := range pageDirs {
		if i > 1 && t.nearMiss() != "" {
			break
		}
		if name := path.Join(dir, "index.html"); t.has(name) {
			return dir, "directory " + dir + ": " + name + " found"
		}
	}
	return "", ""
}

var frontMatter = regexp.MustCompile(`\A---[ \t]*\r?\n`)

// refuseFrontMatter refuses a page that Jekyll or another generator has to work on
// first: served as it is, people would read its instructions.
func (t *tree) refuseFrontMatter(ctx context.Context, name string) error {
	if t.files[name].Size > maxSmallFile { // nobody writes that by hand
		return nil
	}
	text, err := t.read(ctx, name)
	if err != nil {
		return err
	}
	if !frontMatter.Match(text) {
		return nil
	}
	return failure(name+" begins with front matter (---): it is what a generator such as Jekyll makes a page of, and none itself",
		"commit the site that it makes, or add a Dockerfile that runs it; a Staticfile serves the files as they are", nil, nil)
}

// staticfile is what a Staticfile says: lines of "key: value", and "#" comments.
type staticfile struct {
	root string // directory with the files
	spa  bool   // unknown paths get index.html with status 200
}

func readStaticfile(ctx context.Context, t *tree) (staticfile, error) {
	f := staticfile{root: "."}
	text, err := t.read(ctx, "Staticfile")
	if err != nil && !errors.Is(err, deploy.ErrNotFound) {
		return f, err
	}
	bad := func(n int, format string, args ...any) error {
		return failure(fmt.Sprintf("Staticfile line %d: %s", n+1, fmt.Sprintf(format, args...)),
			"it takes two keys: \"root: directory\" and \"spa: true\"", nil, nil)
	}
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch {
		case !ok:
			return f, bad(n, "%q is not of the form key: value", deploy.Clean(line, 60))
		case key == "root":
			if f.root, err = repoPath(strings.TrimSuffix(value, "/")); err != nil {
				return f, bad(n, "%q is not a directory in the repository", deploy.Clean(value, 60))
			}
		case key == "spa" && (value == "true" || value == "false"):
			f.spa = value == "true"
		default:
			return f, bad(n, "%q is not known", deploy.Clean(line, 60))
		}
	}
	return f, nil
}
