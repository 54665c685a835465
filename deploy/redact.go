package deploy

import (
	"maps"
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// secrets are the values that must not be read in a log, an event, a mail.
// Values are only ever added. Not safe for concurrent use: the journal guards it.
type secrets struct {
	values   map[string]bool
	replacer *strings.Replacer
	// Values by their first and last bytes: see redactAtCuts.
	begins, ends map[string][]string
	longest      int // bytes of a value
}

// hide adds the values of an environment. Short ones are left alone: to replace
// every "1" or "true" would make a log unreadable and hides nothing.
func (s *secrets) hide(env map[string]string) {
	const shortest = 6
	if s.values == nil {
		s.values = map[string]bool{}
	}
	for _, v := range env {
		for _, form := range forms(v) {
			s.values[form] = true
		}
	}
	maps.DeleteFunc(s.values, func(v string, _ bool) bool { return len(v) < shortest })
	// Longest first: a secret that begins like another must not leave its end behind.
	longest := slices.SortedFunc(maps.Keys(s.values), func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(longest))
	s.begins, s.ends = map[string][]string{}, map[string][]string{}
	for _, v := range longest {
		pairs = append(pairs, v, redacted)
		s.begins[v[:atCut]] = append(s.begins[v[:atCut]], v)
		s.ends[v[len(v)-atCut:]] = append(s.ends[v[len(v)-atCut:]], v)
		s.longest = max(s.longest, len(v))
	}
	s.replacer = strings.NewReplacer(pairs...)
}

func (s *secrets) redact(text string) string {
	if s.replacer == nil {
		return text
	}
	text = s.replacer.Replace(text)
	if strings.Contains(text, cutMark) {
		text = s.redactAtCuts(text)
	}
	return text
}

// cutMark is where Clean, and what writes long lines in pieces, have cut a text.
const cutMark = "…"

// atCut is how much of a secret has to be left at a cut to be redacted: fewer
// bytes tell nothing.
const atCut = 3

// redactAtCuts redacts what is left of a secret on either side of a cut.
func (s *secrets) redactAtCuts(text string) string {
	parts := strings.Split(text, cutMark)
	for i, part := range parts {
		if i > 0 {
			part = s.redactEnd(part)
		}
		if i < len(parts)-1 {
			part = s.redactBegin(part)
		}
		parts[i] = part
	}
	return strings.Join(parts, cutMark)
}

// redactBegin redacts the beginning of a secret that a text ends with.
func (s *secrets) redactBegin(text string) string {
	for i := max(0, len(text)-s.longest); i+atCut <= len(text); i++ {
		for _, v := range s.begins[text[i:i+atCut]] {
			if strings.HasPrefix(v, text[i:]) {
				return text[:i] + redacted
			}
		}
	}
	return text
}

// redactEnd redacts the end of a secret that a text begins with.
func (s *secrets) redactEnd(text string) string {
	for i := min(len(text), s.longest); i >= atCut; i-- {
		for _, v := range s.ends[text[i-atCut:i]] {
			if strings.HasSuffix(v, text[:i]) {
				return redacted + text[i:]
			}
		}
	}
	return text
}

// redactCut redacts a text whose end was cut off, maybe within a secret.
func (s *secrets) redactCut(text string) string {
	return s.redactBegin(s.redact(text))
}

// Redactor gives a function that takes the values of these environments out of
// a text, in the way that a deployment's log has them taken out: for output of
// an app that is shown outside the core.
func Redactor(envs ...map[string]string) func(text string) string {
	var s secrets
	for _, env := range envs {
		s.hide(env)
	}
	return s.redact
}
