package builder

import (
	"bytes"
	"context"
	"path"
	"strings"

	"teal/deploy"
)

// Preview is what a build of a tree would go by, without the build.
type Preview struct {
	What string // as in deploy.Built
	// Path of the repository's own Dockerfile; "" when Teal writes one.
	Path string
	// Dockerfile is its text.
	Dockerfile string
	// Root is the app's directory in the repository; "" for the repository's own.
	Root string
	// Found says what was found and why, one finding a line, as a push does.
	Found []string
	// Omit are patterns of files that a build does not get, beside those of .dockerignore.
	Omit []string
}

// Preview decides as Build does what would be built, and builds nothing. Its
// errors are those of Build.
func (b *Builder) Preview(ctx context.Context, req deploy.BuildRequest) (Preview, error) {
	var said bytes.Buffer
	j := &job{Builder: b, req: req, log: &said, progress: newProgress(&said, b.config.MaxLogBytes)}
	if err := j.open(ctx); err != nil {
		return Preview{}, err
	}
	if err := j.choose(ctx); err != nil {
		return Preview{}, err
	}
	p := Preview{What: j.what, Dockerfile: string(j.dockerfile), Root: j.manifest.Root}
	if j.plan != nil {
		p.Omit = j.plan.omit
	} else {
		p.Path = path.Join(p.Root, j.what)
	}
	for line := range strings.Lines(said.String()) {
		if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, strings.TrimRight(shownFile, " ")) && line != dockerfileWritten {
			p.Found = append(p.Found, line)
		}
	}
	return p, nil
}

// Text is the Dockerfile with the findings above it, as comments: it can be
// built as it is.
func (p Preview) Text() string {
	var b strings.Builder
	b.WriteString("# " + p.What + "\n#\n")
	for _, line := range p.Found {
		b.WriteString("# " + line + "\n")
	}
	return b.String() + "\n" + p.Dockerfile
}
