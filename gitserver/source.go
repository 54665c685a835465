package gitserver

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"teal/deploy"
)

// source is the tree of one commit, read from git objects. It satisfies
// deploy.Source. git archive is not used: it leaves out what .gitattributes
// says, rewrites files, and crashes on deep trees.
type source struct {
	git    plumbing
	limits Limits
	app    deploy.AppName
	commit string
	at     time.Time

	mu   sync.Mutex // guards tree
	tree []entry    // nil until it was listed
}

// entry is one blob or submodule of the tree. There may be very many of them.
type entry struct {
	deploy.File
	id [sha1.Size]byte
}

// name is the object's name: 40 hex digits.
func (e entry) name() string { return hex.EncodeToString(e.id[:]) }

// Source opens the tree of a commit. ErrNotFound when the repository does not have it.
func (r *Repos) Source(ctx context.Context, app deploy.AppName, commit string) (deploy.Source, error) {
	c, err := r.Commit(ctx, app, commit)
	if err != nil {
		return nil, err
	}
	return r.source(app, c), nil
}

func (r *Repos) source(app deploy.AppName, c deploy.Commit) *source {
	return &source{git: r.plumbing(app), limits: r.limits, app: app, commit: c.ID, at: c.At}
}

// Close ends the use of the source. It holds nothing open between calls.
func (s *source) Close() error { return nil }

// Files lists every file of the tree, sorted by path.
func (s *source) Files(ctx context.Context) ([]deploy.File, error) {
	tree, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]deploy.File, len(tree))
	for i, e := range tree {
		files[i] = e.File
	}
	return files, nil
}

// ReadFile gives a regular file's bytes.
func (s *source) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	tree, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(tree, func(e entry) bool { return e.Path == name })
	if i < 0 || !tree[i].Mode.IsRegular() {
		return nil, fmt.Errorf("file %s of %s: %w", deploy.Clean(name, 200), s.app, deploy.ErrNotFound)
	}
	e := tree[i]
	if e.Size > limit {
		return nil, fmt.Errorf("file %s of %s has %s, and the limit is %s", deploy.Clean(name, 200), s.app, byteSize(e.Size), byteSize(limit))
	}
	b, err := s.git.run(ctx, int(e.Size), "", "cat-file", "blob", e.name())
	if err != nil {
		return nil, fmt.Errorf("cannot read file %s of %s: %w", deploy.Clean(name, 200), s.app, err)
	}
	return b, nil
}

// An ordinary tree is kept while it is listed: so many files, and bytes of their
// paths. A larger one is counted first, and kept when it is known to be within
// the limits: this is the daemon's own memory.
const (
	ordinary      = 20_000
	ordinaryNames = 2 << 20
)

// list reads the tree once. The limits are counted while git lists: a pack of
// 100 KB can hold a tree of 10^10 paths.
func (s *source) list(ctx context.Context) ([]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tree != nil {
		return s.tree, nil
	}
	tree, files, names := []entry{}, 0, 0
	keep := func(e entry) {
		files++
		if names += len(e.Path); files <= ordinary && names <= ordinaryNames {
			tree = append(tree, e)
		}
	}
	if err := s.read(ctx, &lister{limits: s.limits, each: keep}, "-l"); err != nil {
		return nil, err
	}
	if len(tree) < files {
		tree = make([]entry, 0, files)
		if err := s.read(ctx, &lister{limits: s.limits, each: func(e entry) { tree = append(tree, e) }}, "-l"); err != nil {
			return nil, err
		}
	}
	s.tree = tree
	return tree, nil
}

// read has git list the tree. Sizes cost git a look at every object.
func (s *source) read(ctx context.Context, l *lister, sizes ...string) error {
	args := append([]string{"ls-tree", "-r", "-t", "-z", "--full-tree"}, sizes...)
	c, err := s.git.start(ctx, stdio{out: l}, append(args, s.commit)...)
	if err != nil {
		return err
	}
	err = c.wait()
	if l.failed != nil {
		return &deploy.Failure{Step: deploy.StepBuild, Reason: l.failed.Error(), Hint: "leave out of the repository what the app does not need, then push again"}
	}
	if err != nil {
		return fmt.Errorf("cannot list the files of %s at %s: %w", s.app, s.commit, err)
	}
	return nil
}

// lister reads what ls-tree writes: "<mode> <type> <id> [<size>]\t<path>\0".
type lister struct {
	limits  Limits
	each    func(entry) // told of each blob and submodule
	partial []byte
	entries int // directories too
	names   int // bytes of all paths
	bytes   int64
	failed  error
}

// What ls-tree writes about one path, and all paths of a tree, may be this long:
// a tree of little can name very much, and its paths are kept in memory.
const (
	maxRecord = 8 << 10
	maxNames  = 32 << 20
)

func (l *lister) Write(p []byte) (int, error) {
	if l.failed != nil {
		return 0, l.failed
	}
	for rest := p; ; {
		line, more, ended := bytes.Cut(rest, []byte{0})
		if len(l.partial)+len(line) > maxRecord {
			l.failed = fmt.Errorf("a path of the tree is longer than %s", byteSize(maxRecord))
			return 0, l.failed // ends git
		}
		if !ended {
			l.partial = append(l.partial, line...)
			return len(p), nil
		}
		if len(l.partial) > 0 {
			line = append(l.partial, line...)
			l.partial = line[:0]
		}
		if l.failed = l.add(line); l.failed != nil {
			return 0, l.failed
		}
		rest = more
	}
}

func (l *lister) add(line []byte) error {
	meta, path, _ := bytes.Cut(line, []byte("\t"))
	mode, meta, _ := bytes.Cut(meta, []byte(" "))
	_, meta, _ = bytes.Cut(meta, []byte(" ")) // the type follows from the mode
	id, length, _ := bytes.Cut(meta, []byte(" "))
	name, size := string(path), string(bytes.TrimLeft(length, " "))
	e := entry{File: deploy.File{Path: name}}
	if n, err := hex.Decode(e.id[:], id[:min(len(id), 2*len(e.id))]); err != nil || n != len(e.id) || name == "" {
		return fmt.Errorf("git lists the tree in a way that Teal does not know")
	}
	l.entries++
	if l.entries > l.limits.Entries {
		return fmt.Errorf("the tree has more than %d files and directories", l.limits.Entries)
	}
	if l.names += len(name); l.names > maxNames {
		return fmt.Errorf("the paths of the tree are longer than %s together", byteSize(maxNames))
	}
	if err := checkPath(name, l.limits.Depth); err != nil {
		return err
	}
	switch string(mode) {
	case "040000":
		return nil
	case "120000":
		e.Mode = fs.ModeSymlink | 0o777
	case "160000":
		e.Mode = fs.ModeIrregular
	case "100755":
		e.Mode = 0o755
	default: // old gits wrote 100664 and others
		e.Mode = 0o644
	}
	if size != "-" && size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return fmt.Errorf("the size of %s is not known", deploy.Clean(name, 200))
		}
		e.Size = n
	}
	if l.bytes += e.Size; l.bytes > l.limits.TreeBytes {
		return fmt.Errorf("the files of the tree are larger than %s together", byteSize(l.limits.TreeBytes))
	}
	l.each(e)
	return nil
}

// checkPath refuses what no working git would check out. The pack was checked
// for it already; a path is what hurts most when that has a hole.
func checkPath(name string, depth int) error {
	if len(name) > 4096 {
		return fmt.Errorf("a path of the tree is %d bytes long: %s", len(name), deploy.Clean(name, 60))
	}
	if strings.Count(name, "/") >= depth {
		return fmt.Errorf("the tree is deeper than %d directories: %s", depth, deploy.Clean(name, 60))
	}
	if path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("the tree has a path that leaves it: %s", deploy.Clean(name, 60))
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return fmt.Errorf("the tree has a path named .git: %s", deploy.Clean(name, 60))
		}
	}
	return nil
}
