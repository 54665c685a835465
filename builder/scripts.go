package builder

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"teal/deploy"
)

// checkScripts refuses commands that name a file of the repository which can't
// be run, as commits from Windows have them: without the executable bit, or with a
// first line whose carriage return becomes a part of the program's name.
func (t *tree) checkScripts(ctx context.Context) error {
	for _, c := range t.commands {
		words := c.argv
		if c.line != "" && !strings.ContainsAny(c.line, "&|;") {
			words = strings.Fields(c.line)
		}
		for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "exec") {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		name, run := words[0], true
		if (name == "sh" || name == "bash" || name == "/bin/sh" || name == "/bin/bash") && len(words) > 1 {
			name, run = words[1], false
		}
		if !strings.Contains(name, "/") && run { // looked for on PATH
			continue
		}
		if err := t.checkScript(ctx, c, path.Clean(strings.TrimPrefix(name, "/app/")), run); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) checkScript(ctx context.Context, c command, name string, run bool) error {
	if !t.has(name) || t.files[name].Size > maxSmallFile {
		return nil
	}
	if run && t.files[name].Mode&0o111 == 0 {
		return failure(fmt.Sprintf("%s: %s is not executable", c.what, deploy.Clean(name, 80)), fmt.Sprintf("git update-index --chmod=+x %s, commit and push again", deploy.Clean(name, 80)), nil, nil)
	}
	text, err := t.source.ReadFile(ctx, name, maxSmallFile)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasSuffix(first, []byte("\r")) && bytes.HasPrefix(first, []byte("#!")) {
		return failure(fmt.Sprintf("%s: the lines of %s end as on Windows (CRLF), so its first one names a program that is not there", c.what, deploy.Clean(name, 80)),
			"save it with LF; *.sh text eol=lf in .gitattributes keeps it so", nil, nil)
	}
	return nil
}
