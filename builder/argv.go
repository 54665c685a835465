package builder

import (
	"fmt"
	"strings"
)

// splitArgv splits a command line into words. There is no shell, so the rule is
// short:
//
//   - spaces and tabs part words;
//   - 'single quotes' keep everything inside as it is;
//   - "double quotes" keep everything inside, but \" and \\ stand for " and \;
//   - outside quotes, \ takes the next character as it is.
//
// What only a shell would understand outside quotes (| & ; < > ` $) is refused
// and not passed on, so that nobody waits for a pipe that never comes.
func splitArgv(line string) ([]string, error) {
	var argv []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				argv = append(argv, word.String())
				word.Reset()
				inWord = false
			}
		case c == '\'' || c == '"':
			end, err := quoted(line, i, &word)
			if err != nil {
				return nil, err
			}
			i, inWord = end, true
		case c == '\\':
			if i++; i == len(line) {
				return nil, fmt.Errorf("it ends with a lone \\")
			}
			word.WriteByte(line[i])
			inWord = true
		case strings.IndexByte("|&;<>`$", c) >= 0:
			return nil, fmt.Errorf("%q means something to a shell only, and there is none: quote it, or put the commands into a script of the app", string(c))
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		argv = append(argv, word.String())
	}
	return argv, nil
}

// quoted adds the quoted text that begins at line[start] and returns the place of its end quote.
func quoted(line string, start int, word *strings.Builder) (int, error) {
	quote := line[start]
	for i := start + 1; i < len(line); i++ {
		switch {
		case line[i] == quote:
			return i, nil
		case quote == '"' && line[i] == '\\' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\'):
			i++
			word.WriteByte(line[i])
		default:
			word.WriteByte(line[i])
		}
	}
	return 0, fmt.Errorf("the quote %c is not closed", quote)
}
