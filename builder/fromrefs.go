package builder

import (
	"bufio"
	"bytes"
	"regexp"
	"strings"
)

// fromRefs lists the images that a Dockerfile is built from, in order and
// without doubles: those of FROM, of COPY --from and of RUN --mount=from=. Names
// of the file's own stages, numbers and "scratch" are none. ARGs before the
// first FROM are filled in; a name in which something stays unknown is left out,
// since it is looked at only to have the image ready before the build.
func fromRefs(dockerfile []byte, args map[string]string) []string {
	scan := refScan{args: map[string]string{}, given: args, stages: map[string]bool{"scratch": true}, seen: map[string]bool{}}
	for _, line := range instructions(dockerfile) {
		scan.instruction(line)
	}
	return scan.refs
}

type refScan struct {
	args   map[string]string // of ARG lines before the first FROM
	given  map[string]string // build arguments
	stages map[string]bool   // lower case
	begun  bool              // a FROM was seen
	seen   map[string]bool
	refs   []string
}

var (
	copyFrom  = regexp.MustCompile(`--from=(\S+)`)
	mountFrom = regexp.MustCompile(`--mount=\S*?\bfrom=([^,\s]+)`)
	variable  = regexp.MustCompile(`\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))`)
)

func (s *refScan) instruction(line string) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return
	}
	switch strings.ToUpper(words[0]) {
	case "ARG":
		if !s.begun {
			s.arg(words[1:])
		}
	case "FROM":
		s.begun = true
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "--") {
			words = words[1:]
		}
		if len(words) == 0 {
			return
		}
		s.add(words[0])
		if len(words) >= 3 && strings.EqualFold(words[1], "AS") {
			s.stages[strings.ToLower(words[2])] = true
		}
	case "COPY":
		for _, m := range copyFrom.FindAllStringSubmatch(line, -1) {
			s.add(m[1])
		}
	case "RUN":
		for _, m := range mountFrom.FindAllStringSubmatch(line, -1) {
			s.add(m[1])
		}
	}
}

func (s *refScan) arg(words []string) {
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		if given, ok := s.given[name]; ok {
			value = given
		}
		s.args[name] = strings.Trim(value, `"'`)
	}
}

func (s *refScan) add(ref string) {
	ref = variable.ReplaceAllStringFunc(strings.Trim(ref, `"'`), func(v string) string {
		m := variable.FindStringSubmatch(v)
		if value := s.args[m[1]+m[3]]; value != "" {
			return value
		}
		return m[2]
	})
	isNumber := strings.Trim(ref, "0123456789") == ""
	if isNumber || s.stages[strings.ToLower(ref)] || s.seen[ref] || strings.ContainsAny(ref, "$ ") || strings.HasSuffix(ref, ":") {
		return
	}
	s.seen[ref] = true
	s.refs = append(s.refs, ref)
}

// instructions joins the lines of a Dockerfile that are continued, and drops comments.
func instructions(dockerfile []byte) []string {
	var all []string
	var joined strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(dockerfile))
	lines.Buffer(nil, maxDockerfile+1)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasSuffix(line, "\\") {
			joined.WriteString(strings.TrimSuffix(line, "\\") + " ")
			continue
		}
		all = append(all, joined.String()+line)
		joined.Reset()
	}
	if joined.Len() > 0 {
		all = append(all, joined.String())
	}
	return all
}

var cacheMountUp = regexp.MustCompile(`--mount=\S*type=cache\S*\.\.|--mount=\S*\.\.\S*type=cache`)

// reachesOut tells whether a cache mount has ".." in it: the Engine joins its id
// to the app's own name space as paths are joined.
func reachesOut(dockerfile []byte) bool {
	for _, line := range instructions(dockerfile) {
		if cacheMountUp.MatchString(line) {
			return true
		}
	}
	return false
}
