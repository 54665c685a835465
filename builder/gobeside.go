package builder

import (
	"path"
	"slices"
	"strings"
)

// maxBeside is how many directories are named one by one: an image has 127 layers at most.
const maxBeside = 20

// notBeside are files at the root that no program reads while it runs.
var notBeside = []string{
	"go.mod", "go.sum", "go.work", "go.work.sum", "Procfile", "Aptfile", "app.json", "CHECKS", manifestName, "Makefile", "Taskfile.yml",
	".dockerignore", ".editorconfig",
}

// beside finds what the app may read while it runs, templates and static files:
// files and directories right at the root. A directory counts when there is
// more than Go's own in it; files that a build does not get do not.
func (t *tree) beside() (files, dirs []string) {
	for _, p := range t.paths {
		if !t.readByApp(p) {
			continue
		}
		dir, _, below := strings.Cut(p, "/")
		switch {
		case below && dir[0] != '.' && !slices.Contains(dirs, dir):
			dirs = append(dirs, dir)
		case !below && t.has(p) && !slices.Contains(notBeside, p) && !anyPrefix(p, ".git", ".golangci", "README", "LICENSE", "CHANGELOG"):
			files = append(files, p)
		}
	}
	return files, dirs
}

// readByApp tells whether the file may be one that the program opens.
func (t *tree) readByApp(p string) bool {
	parts := strings.Split(p, "/")
	switch {
	case path.Ext(p) == ".go", path.Ext(p) == ".s", parts[0] == "vendor", slices.Contains(parts, "testdata"):
		return false
	case len(parts) > 1 && (path.Base(p) == "README.md" || path.Base(p) == "go.mod" || path.Base(p) == "go.sum"):
		return false
	}
	return t.keep == nil || t.keep(p)
}

func anyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// copyBeside lays them into the working directory.
func (d *dockerfile) copyBeside(files, dirs []string) {
	const copying = "COPY --chown=65532:65532 "
	odd := func(name string) bool { return strings.ContainsAny(name, `*?[]\`) } // COPY takes patterns
	if len(dirs) > maxBeside || slices.ContainsFunc(files, odd) || slices.ContainsFunc(dirs, odd) {
		d.add(copying + ". .")
		return
	}
	if len(files) > 0 {
		d.add(copying + execForm(append(slices.Clone(files), "./")...))
	}
	for _, dir := range dirs {
		d.add(copying + execForm(dir+"/", dir+"/"))
	}
}
