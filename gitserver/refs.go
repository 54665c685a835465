package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	gitref "github.com/go-git/go-git/v5/plumbing"

	"teal/deploy"
)

const noHash = "0000000000000000000000000000000000000000"

// refs are what a repository advertises.
type refs struct {
	heads    map[string]string // full name, under refs/heads/ or refs/tags/, to 40 hex digits
	shallows []string          // commits whose parents the repository does not have
}

// refs reads the app's refs; a missing repository has none. git lists them:
// go-git takes the lock file of a ref that is being moved for a ref.
func (r *Repos) refs(ctx context.Context, app deploy.AppName) (refs, error) {
	out := refs{heads: map[string]string{}}
	if !r.exists(app) {
		return out, nil
	}
	list, err := r.plumbing(app).run(ctx, 16<<20, "", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return out, fmt.Errorf("cannot read the refs of %s: %w", app, err)
	}
	for line := range strings.Lines(string(list)) {
		if hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && isHash(hash) {
			out.heads[name] = hash
		}
	}
	cuts, err := os.ReadFile(filepath.Join(r.path(app), "shallow"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("cannot read where the history of %s is cut: %w", app, err)
	}
	for _, hash := range strings.Fields(string(cuts)) {
		if isHash(hash) {
			out.shallows = append(out.shallows, hash)
		}
	}
	return out, nil
}

// at is what the ref points at; all zeros when there is no such ref.
func (r refs) at(name string) string {
	if h := r.heads[name]; h != "" {
		return h
	}
	return noHash
}

// clash gives a ref that can't exist beside name: git keeps refs as files, so
// that "a" and "a/b" exclude each other.
func (r refs) clash(name string) string {
	for other := range r.heads {
		if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return other
		}
	}
	return ""
}

var errRefName = errors.New("not a valid branch name")

// checkRef checks a full branch name against git's rules (git-check-ref-format).
func checkRef(name string) error {
	if !strings.HasPrefix(name, "refs/heads/") || len(name) > 1024 {
		return errRefName
	}
	for i := 0; i < len(name); i++ {
		if name[i] < ' ' || name[i] == 0x7f {
			return errRefName
		}
	}
	if gitref.ReferenceName(name).Validate() != nil {
		return errRefName
	}
	return nil
}

// isHash tells whether s is an object name: 40 lower case hex digits.
func isHash(s string) bool {
	if len(s) != len(noHash) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
