package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"teal/deploy"
)

// buildContext is the tree that a build sees: a commit's files without those
// that are ignored, and perhaps a Dockerfile that Teal wrote.
type buildContext struct {
	source     deploy.Source
	ignore     *patternmatcher.PatternMatcher // nil: nothing
	always     string                         // the Dockerfile: sent even when it is ignored
	dockerfile []byte                         // to be added under generatedName; nil: none
}

// generatedName is where a Dockerfile of Teal's own lies in the context. A name
// that begins with a dot is not served by the static file server.
const generatedName = ".teal.Dockerfile"

// maxIgnore is the longest .dockerignore that is read.
const maxIgnore = 1 << 20

// readIgnore reads the patterns for a Dockerfile: those of
// <dockerfile>.dockerignore when there is one, else those of .dockerignore. The
// Engine applies neither to a streamed context, so that without this a secret
// beside the code would land in the image.
func readIgnore(ctx context.Context, source deploy.Source, dockerfile string, extra []string) (*patternmatcher.PatternMatcher, error) {
	patterns := append([]string(nil), extra...)
	for _, name := range []string{dockerfile + ".dockerignore", ".dockerignore"} {
		text, err := source.ReadFile(ctx, name, maxIgnore)
		if errors.Is(err, deploy.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		lines, err := ignorefile.ReadAll(bytes.NewReader(text))
		if err != nil {
			return nil, failure(fmt.Sprintf("%s cannot be read: %s", name, deploy.Clean(err.Error(), 200)), "correct it, commit and push again", nil, err)
		}
		patterns = append(patterns, lines...)
		break
	}
	if len(patterns) == 0 {
		return nil, nil
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, failure("a pattern in .dockerignore is malformed: "+deploy.Clean(err.Error(), 200), "correct it, commit and push again", nil, err)
	}
	return matcher, nil
}

// keep tells whether a file is sent.
func (c buildContext) keep(path string) bool {
	if path == c.always {
		return true
	}
	if path == generatedName && c.dockerfile != nil {
		return false
	}
	if c.ignore == nil {
		return true
	}
	ignored, err := c.ignore.MatchesOrParentMatches(path)
	return err == nil && !ignored
}

// write streams the context.
func (c buildContext) write(ctx context.Context, w io.Writer) error {
	if c.dockerfile == nil {
		return c.source.Tar(ctx, w, c.keep)
	}
	// The generated file goes first, without the end mark of its own archive:
	// what follows continues it.
	head := tar.NewWriter(w)
	if err := writeFile(head, generatedName, 0o644, c.dockerfile); err != nil {
		return err
	}
	if err := head.Flush(); err != nil {
		return err
	}
	return c.source.Tar(ctx, w, c.keep)
}

// writeFile adds one file to an archive, with no time of its own: equal bytes
// make an equal archive.
func writeFile(w *tar.Writer, name string, mode int64, data []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data)), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// tarFiles makes an archive of a few files in memory.
func tarFiles(files ...namedFile) func(context.Context, io.Writer) error {
	return func(_ context.Context, out io.Writer) error {
		w := tar.NewWriter(out)
		for _, f := range files {
			if err := writeFile(w, f.name, 0o644, f.data); err != nil {
				return err
			}
		}
		return w.Close()
	}
}

// namedFile is a file of a context that Teal writes itself.
type namedFile struct {
	name string
	data []byte
}
