package main

import (
	"bytes"
	"fmt"
	"strings"
)

// echo shows a program's output line by line, indented, and keeps it.
type echo struct {
	prefix string
	line   []byte
	all    bytes.Buffer
}

// Write shows every line that is complete. A carriage return ends one too, as
// on a terminal.
func (e *echo) Write(p []byte) (int, error) {
	e.all.Write(p)
	for _, c := range p {
		if c == '\n' || c == '\r' {
			e.end()
			continue
		}
		e.line = append(e.line, c)
	}
	return len(p), nil
}

// end shows a line that is not complete.
func (e *echo) end() {
	if len(e.line) > 0 {
		fmt.Printf("%s%s\n", e.prefix, strings.TrimRight(string(e.line), " "))
		e.line = e.line[:0]
	}
}

func (e *echo) text() string { return e.all.String() }

func indent(s, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix)
}
