package gitserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// quarantine is a directory of objects beside the repository's own. What a
// client sends lands there and is judged there; until migrate the repository
// has not changed.
type quarantine struct {
	repos    *Repos
	app      deploy.AppName
	name     string   // relative to the repository
	shallows []string // what the client says its history is cut at
}

// quarantine opens one, and makes the repository when it is the app's first push.
func (r *Repos) quarantine(ctx context.Context, app deploy.AppName, shallows []string) (*quarantine, error) {
	unlock, err := r.lock(ctx, app)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := r.ensure(ctx, app); err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	q := &quarantine{
		repos: r, app: app, shallows: shallows,
		name: "objects/tmp_objdir-incoming-" + hex.EncodeToString(random[:]),
	}
	if err := os.MkdirAll(filepath.Join(q.path(), "pack"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a quarantine for the push: %w", err)
	}
	if err := q.writeShallow(ctx); err != nil {
		_ = os.RemoveAll(q.path())
		return nil, err
	}
	return q, nil
}

func (q *quarantine) path() string { return filepath.Join(q.repos.path(q.app), q.name) }

// plumbing sees the quarantine over the repository. Paths are relative, so
// that a ':' in the data directory's name splits nothing.
func (q *quarantine) plumbing() plumbing {
	env := []string{
		"GIT_OBJECT_DIRECTORY=" + q.name,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=objects",
		"GIT_QUARANTINE_PATH=" + q.name,
	}
	if len(q.shallows) > 0 {
		env = append(env, "GIT_SHALLOW_FILE="+q.name+"/shallow")
	}
	return q.repos.plumbing(q.app, env...)
}

// alone sees the quarantine and nothing else.
func (q *quarantine) alone() plumbing {
	return q.repos.plumbing(q.app, "GIT_OBJECT_DIRECTORY="+q.name)
}

// writeShallow cuts history where the repository and the client say: a client
// with a shallow clone (CI) pushes commits without their parents.
func (q *quarantine) writeShallow(ctx context.Context) error {
	if len(q.shallows) == 0 {
		return nil
	}
	refs, err := q.repos.refs(ctx, q.app)
	if err != nil {
		return err
	}
	text := strings.Join(append(refs.shallows, q.shallows...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(q.path(), "shallow"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("cannot make a quarantine for the push: %w", err)
	}
	return nil
}

// migrate moves the quarantine's packs into the repository. The caller holds
// the lock. Dying in between leaves packs that nothing refers to: harmless.
func (q *quarantine) migrate(ctx context.Context) error {
	cut, err := q.newCuts(ctx)
	if err != nil {
		return err
	}
	from, to := filepath.Join(q.path(), "pack"), filepath.Join(q.repos.path(q.app), "objects", "pack")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("cannot store the pack: %w", err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("cannot store the pack: %w", err)
	}
	// The index comes last: git takes a pack for complete when it sees one.
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".idx") != last {
				continue
			}
			if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				return fmt.Errorf("cannot store the pack: %w", err)
			}
		}
	}
	if err := syncPath(to); err != nil {
		return fmt.Errorf("cannot store the pack: %w", err)
	}
	return q.addCuts(ctx, cut)
}

// newCuts gives those of the client's cuts that are true for the repository
// too: the commit is there, one of its parents is not. There may be thousands of
// them, so that git is asked about all at once.
func (q *quarantine) newCuts(ctx context.Context) ([]string, error) {
	if len(q.shallows) == 0 {
		return nil, nil
	}
	p := q.uncut()
	kinds, err := p.kinds(ctx, q.shallows)
	if err != nil {
		return nil, err
	}
	var there []string
	for i, id := range q.shallows {
		if kinds[i] == "commit" {
			there = append(there, id)
		}
	}
	families, err := p.families(ctx, there)
	if err != nil {
		return nil, err
	}
	var parents []string
	for _, family := range families {
		parents = append(parents, family[1:]...)
	}
	missing, err := p.missing(ctx, parents)
	if err != nil {
		return nil, err
	}
	var cut []string
	for _, family := range families {
		if slices.ContainsFunc(family[1:], func(id string) bool { return missing[id] }) {
			cut = append(cut, family[0])
		}
	}
	return cut, nil
}

// uncut sees the quarantine over the repository, with the parents that the
// client says are not there.
func (q *quarantine) uncut() plumbing {
	p := q.plumbing()
	p.extra = slices.DeleteFunc(p.extra, func(v string) bool { return strings.HasPrefix(v, "GIT_SHALLOW_FILE=") })
	return p
}

// families gives each of the commits followed by its parents.
func (p plumbing) families(ctx context.Context, commits []string) (families [][]string, err error) {
	if len(commits) == 0 {
		return nil, nil
	}
	out, err := p.run(ctx, 4<<20, strings.Join(commits, "\n")+"\n", "rev-list", "--no-walk=unsorted", "--parents", "--stdin")
	if err != nil {
		return nil, fmt.Errorf("cannot look up where the history is cut: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		families = append(families, strings.Fields(line))
	}
	return families, nil
}

// missing tells which of the objects the repository does not have.
func (p plumbing) missing(ctx context.Context, ids []string) (map[string]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	kinds, err := p.kinds(ctx, ids)
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for i, id := range ids {
		missing[id] = kinds[i] == "missing"
	}
	return missing, nil
}

// addCuts records in the repository where its history is cut.
func (q *quarantine) addCuts(ctx context.Context, cut []string) error {
	if len(cut) == 0 {
		return nil
	}
	refs, err := q.repos.refs(ctx, q.app)
	if err != nil {
		return err
	}
	all := map[string]bool{}
	var text strings.Builder
	for _, id := range append(refs.shallows, cut...) {
		if !all[id] {
			all[id] = true
			text.WriteString(id + "\n")
		}
	}
	repo := q.repos.path(q.app)
	if err := writeDurably(filepath.Join(repo, "shallow"), "shallow.new-*", []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("cannot record where the history is cut: %w", err)
	}
	return nil
}

// discard removes the quarantine, and the repository too when it was made for
// a first push that came to nothing: appExists tells. Calling it after migrate is right.
func (q *quarantine) discard(ctx context.Context, appExists func(context.Context) bool) {
	if err := os.RemoveAll(q.path()); err != nil {
		q.repos.log.Warn("cannot remove a quarantine; the next start does", "app", q.app, "error", err)
	}
	if appExists == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	unlock, err := q.repos.lock(ctx, q.app)
	if err != nil {
		return
	}
	defer unlock()
	others, _ := filepath.Glob(filepath.Join(globQuote(q.repos.path(q.app)), "objects", "tmp_objdir-*"))
	if len(others) > 0 || appExists(ctx) {
		return
	}
	if err := q.repos.remove(q.app); err != nil {
		q.repos.log.Warn("cannot remove the repository of a first push that was refused", "app", q.app, "error", err)
	}
}

// writeDurably replaces a file in one step that survives a power cut.
func writeDurably(path, pattern string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), pattern)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}
