package builder

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// source is a line of apt's sources.list(5): where packages come from.
type source struct {
	uri        string
	suite      string // "bookworm-security"
	components string // "main contrib"
}

func (s source) String() string { return "deb " + s.uri + " " + s.suite + " " + s.components }

// sources are the lines of sources.list for a release of Debian: as the server's
// settings have them, else those of the scanner's own image, carried over to
// that release. The image must be there.
func (s *Stack) sources(ctx context.Context, codename string) (string, error) {
	if len(s.aptSources) > 0 {
		var lines []string
		for _, line := range s.aptSources {
			lines = append(lines, strings.ReplaceAll(line, "{codename}", codename))
		}
		return strings.Join(lines, "\n") + "\n", nil
	}
	own, release, err := s.ownSources(ctx)
	if err != nil {
		return "", err
	}
	if len(own) == 0 {
		return "", fmt.Errorf("%s%s has no sources of packages; set --apt-sources", s.prefix, scanImage)
	}
	var lines []string
	for _, o := range own {
		if rest, ok := strings.CutPrefix(o.suite, release); ok && (rest == "" || rest[0] == '-' || rest[0] == '/') {
			o.suite = codename + rest
		}
		lines = append(lines, o.String())
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// ownSources reads the sources of the scanner's image, and which release it is.
func (s *Stack) ownSources(ctx context.Context) (all []source, release string, err error) {
	list, err := s.lists().Read(ctx, s.prefix+scanImage)
	if err != nil {
		return nil, "", err
	}
	made, err := s.engine.ContainerCreate(ctx, &container.Config{Image: s.prefix + scanImage, Labels: map[string]string{labelNamespace: s.namespace, "teal.once": "sources"}},
		&container.HostConfig{NetworkMode: "none"}, nil, nil, "teal-"+s.namespace+"-sources-"+randomID()[:10])
	if err != nil {
		return nil, "", engineError(ctx, s.engine, err)
	}
	defer func() { err = errors.Join(err, (&scanner{s, made.ID}).close(ctx)) }()
	stream, _, err := s.engine.CopyFromContainer(ctx, made.ID, "/etc/apt")
	if errdefs.IsNotFound(err) {
		return nil, list.Codename, nil
	}
	if err != nil {
		return nil, "", engineError(ctx, s.engine, err)
	}
	defer stream.Close()
	for in := tar.NewReader(io.LimitReader(stream, 16<<20)); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all, list.Codename, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("read the sources of %s%s: %w", s.prefix, scanImage, err)
		}
		text, err := io.ReadAll(io.LimitReader(in, 1<<20))
		if err != nil {
			return nil, "", err
		}
		switch path.Ext(header.Name) {
		case ".list":
			all = append(all, listSources(string(text))...)
		case ".sources":
			all = append(all, stanzaSources(string(text))...)
		}
	}
}

// listSources reads the one-line format. Options in brackets are left out: the
// image's own keyring is what counts.
func listSources(text string) (all []source) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if words := strings.Fields(rest); len(words) >= 3 {
			all = append(all, source{words[0], words[1], strings.Join(words[2:], " ")})
		}
	}
	return all
}

// stanzaSources reads the deb822 format.
func stanzaSources(text string) (all []source) {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(stanza) {
			if key, value, ok := strings.Cut(line, ":"); ok && key != "" && key[0] != '#' && key[0] != ' ' {
				fields[strings.ToLower(key)] = strings.TrimSpace(value)
			}
		}
		if !strings.Contains(" "+fields["types"]+" ", " deb ") || strings.EqualFold(fields["enabled"], "no") {
			continue
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			for _, suite := range strings.Fields(fields["suites"]) {
				all = append(all, source{uri, suite, fields["components"]})
			}
		}
	}
	return all
}
