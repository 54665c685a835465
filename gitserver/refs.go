package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// refs reads the app's refs; a missing repository has none. It reads the files
// that git keeps them in: a child process for it would be the dearest part of a
// small push, and go-git takes the lock file of a ref that is being moved for a
// ref. A ref that is packed in the meantime is seen in the one place or the
// other, since git writes the packed ones before it removes the loose ones.
func (r *Repos) refs(ctx context.Context, app deploy.AppName) (refs, error) {
	out := refs{heads: map[string]string{}}
	if !r.exists(app) {
		return out, nil
	}
	loose, err := looseRefs(r.path(app), "refs/heads", "refs/tags")
	if err != nil {
		return out, fmt.Errorf("cannot read the refs of %s: %w", app, err)
	}
	packed, err := os.ReadFile(filepath.Join(r.path(app), "packed-refs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("cannot read the refs of %s: %w", app, err)
	}
	for line := range strings.Lines(string(packed)) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && isHash(hash) && (strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")) {
			out.heads[name] = hash
		}
	}
	maps.Copy(out.heads, loose)
	out.shallows, err = r.cuts(app)
	return out, err
}

// looseRefs reads the refs under the directories that have a file of their own.
func looseRefs(repo string, under ...string) (map[string]string, error) {
	found := map[string]string{}
	for _, dir := range under {
		err := filepath.WalkDir(filepath.Join(repo, dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // packed, or removed, in the meantime
			}
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
				return err
			}
			text, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			name, _ := filepath.Rel(repo, path)
			if hash := strings.TrimSuffix(string(text), "\n"); isHash(hash) {
				found[name] = hash
			} else if err == nil {
				err = fmt.Errorf("%s holds no object name", name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// cuts are the commits whose parents the repository does not have.
func (r *Repos) cuts(app deploy.AppName) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(r.path(app), "shallow"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read where the history of %s is cut: %w", app, err)
	}
	return slices.DeleteFunc(strings.Fields(string(text)), func(s string) bool { return !isHash(s) }), nil
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
