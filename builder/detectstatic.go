package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal/deploy"
)

// detectStatic takes a tree of files to be served: a Staticfile names their
// directory, else it is public/ or the root, where an index.html must be. An app
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
	case t.has("public/index.html"):
		root, why = "public", "directory public: public/index.html found"
	case t.has("index.html"):
		root, why = ".", "directory .: index.html found"
	default:
		return nil, nil
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
	if root == "." {
		p.omit = []string{manifestName, "Staticfile", ".git*"}
	}
	return p, nil
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
