package builder

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	workUse   = regexp.MustCompile(`(?m)^use\s+"?([^\s("]+)"?`)
	workBlock = regexp.MustCompile(`(?s)(?:^|\n)use\s*\((.*?)\)`)
)

// workspace are the modules of a go.work at the root of a repository that is no
// module itself: directories, and their go.mod. Empty where there is none.
type workspace map[string][]byte

// readWorkspace reads those that go.work uses and that are there.
func readWorkspace(ctx context.Context, t *tree, work []byte) (workspace, error) {
	var dirs []string
	for _, m := range workUse.FindAllSubmatch(work, -1) {
		dirs = append(dirs, string(m[1]))
	}
	for _, block := range workBlock.FindAllSubmatch(work, -1) {
		for line := range strings.Lines(string(block[1])) {
			line, _, _ = strings.Cut(line, "//")
			if words := strings.Fields(line); len(words) > 0 {
				dirs = append(dirs, strings.Trim(words[0], `"`))
			}
		}
	}
	w := workspace{}
	for _, dir := range dirs {
		dir = path.Clean(dir)
		if !t.has(dir + "/go.mod") {
			continue
		}
		mod, err := t.read(ctx, dir+"/go.mod")
		if err != nil {
			return nil, err
		}
		w[dir] = mod
	}
	return w, nil
}

// text is all of the modules' files.
func (w workspace) text() []byte {
	var all []byte
	for _, mod := range w {
		all = append(append(all, mod...), '\n')
	}
	return all
}

// nameOf is what "go build" calls the program of a directory of the tree.
func (t *tree) nameOf(mod []byte, dir string) string {
	for at := dir; at != "."; at = path.Dir(at) {
		if own, ok := t.work[at]; ok {
			return goNameOf(own, strings.TrimPrefix(strings.TrimPrefix(dir, at), "/"))
		}
	}
	return goNameOf(mod, dir)
}

// inModule tells whether the directory belongs to what is built from the root.
func (t *tree) inModule(dir string) bool {
	if len(t.work) == 0 {
		return true
	}
	dirs := make([]string, 0, len(t.work))
	for d := range t.work {
		dirs = append(dirs, d)
	}
	return slices.ContainsFunc(dirs, func(d string) bool { return dir == d || strings.HasPrefix(dir, d+"/") })
}
