package builder

import (
	"strings"

	"teal/deploy"
)

// maxLine is the longest line of output that is kept, in bytes. The core takes
// 4 KiB a line; cleaning can triple a byte that is no UTF-8.
const maxLine = 2000

// maxPiece is the longest piece of a line without an end.
const maxPiece = maxLine - len("… …")

// tidy makes one line of a build's output safe to show: escape sequences go,
// of a progress bar drawn with carriage returns its last state stays, and what
// is left is cleaned as all text from outside.
func tidy(line string) string {
	line = strings.TrimRight(line, "\r\n")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return strings.TrimRight(deploy.Clean(stripEscapes(line), maxLine), " ")
}

// stripEscapes removes ANSI escape sequences (ECMA-48): CSI to its final byte,
// OSC and the other strings to BEL or ST, and two-byte ones.
func stripEscapes(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			i++
			continue
		}
		i += escapeLength(s[i:])
	}
	return b.String()
}

// escapeLength is the length of the escape sequence that s begins with.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_':
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	}
	return 2
}

// ring keeps the last lines that were added, as many as a failure shows.
type ring struct{ lines []string }

func (r *ring) add(line string) {
	if len(r.lines) == tailLines {
		copy(r.lines, r.lines[1:])
		r.lines = r.lines[:tailLines-1]
	}
	r.lines = append(r.lines, line)
}

// last gives a copy of the last n lines.
func (r *ring) last(n int) []string {
	return append([]string(nil), r.lines[max(0, len(r.lines)-n):]...)
}

// nearest gives the known word that is closest to s by edit distance, or ""
// when none is close.
func nearest(s string, known []string) string {
	best, at := "", 1+len(s)/2
	for _, k := range known {
		if d := distance(s, k); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
