package builder

import (
	"regexp"
	"strconv"
	"strings"

	"teal/deploy"
)

// A line of a Procfile, of package.json's scripts or of app.json is shell syntax
// by its definition. Most lines use little of it, and those are run without a
// shell, so that SIGTERM reaches the app itself:
//
//   - $PORT and ${PORT} are filled in: an app's port is always the same;
//   - what is left without shell syntax is split into words;
//   - NAME=value in front goes through env.
//
// The others get the shell of the app's own image, with exec where the line is
// one command. No shell ever runs on the host.

var portVariable = regexp.MustCompile(`\$PORT\b|\$\{PORT(:?-[^}]*)?\}`)

// commandOf gives the argv of a command line.
func commandOf(line string) []string {
	line = portVariable.ReplaceAllString(strings.TrimSpace(line), strconv.Itoa(deploy.Port))
	if !needsShell(line) {
		if argv, err := splitArgv(line); err == nil && len(argv) > 0 {
			if assignment.MatchString(argv[0]) {
				return append([]string{"env"}, argv...)
			}
			return argv
		}
	}
	if oneCommand(line) {
		line = "exec " + line
	}
	return []string{"/bin/sh", "-c", line}
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// needsShell tells whether a shell would do more with the line than part words.
func needsShell(line string) bool {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'':
			if c == '\'' {
				quote = 0
			}
		case c == '$' || c == '`':
			return true
		case quote == '"':
			if c == '\\' {
				i++
			} else if c == '"' {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '\\':
			i++
		case strings.IndexByte("|&;<>()*?[]{}~#!\n", c) >= 0:
			return true
		}
	}
	return quote != 0
}

// oneCommand tells whether exec may stand before the line: no operators, no
// assignment in front, no word that the shell itself knows.
func oneCommand(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	switch first {
	case "exec", "cd", "export", "set", "source", ".", ":", "if", "for", "while", "until", "case", "test", "[", "!", "{", "eval", "trap", "unset", "umask", "ulimit":
		return false
	}
	return !assignment.MatchString(line) && !strings.ContainsAny(line, "|&;()\n`")
}
