package gitserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"teal/deploy"
)

// maxPointers bounds how many files are looked at in search of LFS pointers.
const maxPointers = 5000

// Remarks names what of a commit will not be in the image the way its author
// may expect: submodules, and files that Git LFS keeps elsewhere. One line each,
// for the pusher.
func (r *Repos) Remarks(ctx context.Context, app deploy.AppName, c deploy.Commit) ([]string, error) {
	s := r.source(app, c)
	odd := false // most trees have neither, and git need not look at the sizes of all their files
	err := s.read(ctx, &lister{limits: r.limits, each: func(e entry) {
		odd = odd || e.Mode&fs.ModeIrregular != 0 || path.Base(e.Path) == ".gitattributes"
	}})
	if err != nil || !odd {
		return nil, err
	}
	tree, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var submodules, attributes, small []entry
	for _, e := range tree {
		switch {
		case e.Mode&fs.ModeIrregular != 0:
			submodules = append(submodules, e)
		case path.Base(e.Path) == ".gitattributes" && e.Mode.IsRegular() && e.Size < 1<<20:
			attributes = append(attributes, e)
		case e.Mode.IsRegular() && e.Size >= 100 && e.Size < 1024 && len(small) < maxPointers:
			small = append(small, e)
		}
	}
	pointers, err := s.pointers(ctx, attributes, small)
	if err != nil {
		return nil, err
	}
	var out []string
	if len(submodules) > 0 {
		out = append(out, "submodules are empty directories in the build: "+names(submodules))
	}
	if len(pointers) > 0 {
		out = append(out, "Git LFS files are built as pointers, not as their contents: "+names(pointers))
	}
	return out, nil
}

// pointers gives those of the small files that are LFS pointers. Without an
// attribute that asks for LFS there are none.
func (s *source) pointers(ctx context.Context, attributes, small []entry) ([]entry, error) {
	lfs := false
	err := s.contents(ctx, attributes, func(_ entry, body io.Reader) error {
		b, err := io.ReadAll(body)
		lfs = lfs || bytes.Contains(b, []byte("filter=lfs"))
		return err
	})
	if err != nil || !lfs {
		return nil, err
	}
	var found []entry
	err = s.contents(ctx, small, func(e entry, body io.Reader) error {
		b, err := io.ReadAll(body)
		if bytes.HasPrefix(b, []byte("version https://git-lfs.github.com/spec/v1\n")) {
			found = append(found, e)
		}
		return err
	})
	return found, err
}

// names lists the first paths and counts the rest.
func names(entries []entry) string {
	const shown = 5
	var list []string
	for _, e := range entries[:min(len(entries), shown)] {
		list = append(list, deploy.Clean(e.Path, 80))
	}
	text := strings.Join(list, ", ")
	if more := len(entries) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
