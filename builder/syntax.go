package builder

import (
	"fmt"
	"regexp"
	"strings"

	"teal/deploy"
)

// A Dockerfile may name in its first lines the image of the program that reads
// it ("# syntax=docker/dockerfile:1", https://docs.docker.com/reference/dockerfile/#syntax).
// That program then decides what is built, so one that is not pinned by its
// digest would let a build change without a commit. It has to be pulled, too.

var (
	directive    = regexp.MustCompile(`^(?:#|//)\s*([a-zA-Z][\w-]*)\s*=\s*(.+?)\s*$`)
	officialRead = regexp.MustCompile(`^(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::[\w.-]+)?$`)
	pinnedByHash = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
)

// syntaxLine finds the directive; at is the number of its line, from 0.
func syntaxLine(dockerfile []byte) (image string, at int, found bool) {
	lines := strings.Split(strings.TrimPrefix(string(dockerfile), "\ufeff"), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if i == 0 && strings.HasPrefix(line, "#!") {
			continue
		}
		m := directive.FindStringSubmatch(line)
		if m == nil {
			return "", 0, false // directives end at the first line that is none
		}
		if strings.EqualFold(m[1], "syntax") {
			return strings.Trim(m[2], `"'`), i, true
		}
	}
	return "", 0, false
}

// settleSyntax decides about the directive: a pinned reader is used, the
// official one without a pin is replaced by the Engine's own, which needs the
// line to go, and any other one is refused. The line stays as an empty comment,
// so that the numbers of all others do.
func settleSyntax(name string, dockerfile []byte) (settled []byte, dropped string, err error) {
	if strings.HasPrefix(strings.TrimSpace(string(dockerfile)), "{") {
		return nil, "", failure(name+" is JSON, not a Dockerfile", "write it in the language of Dockerfiles", nil, nil)
	}
	image, at, found := syntaxLine(dockerfile)
	switch {
	case !found || pinnedByHash.MatchString(image):
		return dockerfile, "", nil
	case !officialRead.MatchString(image):
		return nil, "", failure(fmt.Sprintf("%s wants to be read by %s, which is not pinned by its digest", name, deploy.Clean(image, 120)),
			"name it with its digest, # syntax=image@sha256:…, or remove the line", nil, nil)
	}
	lines := strings.Split(string(dockerfile), "\n")
	lines[at] = "#"
	return []byte(strings.Join(lines, "\n")), image, nil
}
