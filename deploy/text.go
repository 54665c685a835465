package deploy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes text from outside (branch, author, commit message, file name,
// an app's answer) safe to print, mail and show: control characters, escape
// sequences, bidirectional overrides and broken UTF-8 become "?" (tab: a
// space), and it is cut to max runes.
func Clean(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s // nearly every line of a log
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '\t':
			r = ' '
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r) && r != ' ', unicode.Is(unicode.Bidi_Control, r):
			r = '?'
		}
		if n == limit {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// plain tells whether s is ASCII that prints.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
