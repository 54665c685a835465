package gitserver

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	git "github.com/go-git/go-git/v5"
	gitref "github.com/go-git/go-git/v5/plumbing"

	"teal/deploy"
)

const noHash = "0000000000000000000000000000000000000000"

// refs are what a repository advertises.
type refs struct {
	heads    map[string]string // full name, under refs/heads/ or refs/tags/, to 40 hex digits
	shallows []string          // commits whose parents the repository does not have
}

// refs reads the app's refs; a missing repository has none.
func (r *Repos) refs(app deploy.AppName) (refs, error) {
	out := refs{heads: map[string]string{}}
	repo, err := git.PlainOpen(r.path(app))
	if errors.Is(err, git.ErrRepositoryNotExists) || errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("cannot open the repository of %s: %w", app, err)
	}
	iter, err := repo.Storer.IterReferences()
	if err != nil {
		return out, fmt.Errorf("cannot read the refs of %s: %w", app, err)
	}
	defer iter.Close()
	err = iter.ForEach(func(ref *gitref.Reference) error {
		name := ref.Name()
		if ref.Type() == gitref.HashReference && (name.IsBranch() || name.IsTag()) {
			out.heads[name.String()] = ref.Hash().String()
		}
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("cannot read the refs of %s: %w", app, err)
	}
	shallows, err := repo.Storer.Shallow()
	if err != nil {
		return out, fmt.Errorf("cannot read where the history of %s is cut: %w", app, err)
	}
	for _, h := range shallows {
		out.shallows = append(out.shallows, h.String())
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
