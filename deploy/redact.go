package deploy

import (
	"maps"
	"slices"
	"strings"
)

// secrets are the values that must not be read in a log, an event, a mail.
// Values are only ever added. Not safe for concurrent use: the journal guards it.
type secrets struct {
	values   map[string]bool
	replacer *strings.Replacer
}

// hide adds the values of an environment. Short ones are left alone: to replace
// every "1" or "true" would make a log unreadable and hides nothing.
func (s *secrets) hide(env map[string]string) {
	const shortest = 6
	if s.values == nil {
		s.values = map[string]bool{}
	}
	for _, v := range env {
		s.values[v] = true
		// Output comes in lines: so does a secret of several.
		for l := range strings.SplitSeq(v, "\n") {
			s.values[strings.TrimSpace(l)] = true
		}
	}
	maps.DeleteFunc(s.values, func(v string, _ bool) bool { return len(v) < shortest })
	// Longest first: a secret that begins like another must not leave its end behind.
	longest := slices.SortedFunc(maps.Keys(s.values), func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(longest))
	for _, v := range longest {
		pairs = append(pairs, v, "[redacted]")
	}
	s.replacer = strings.NewReplacer(pairs...)
}

func (s *secrets) redact(text string) string {
	if s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}

// redactCut redacts a text whose end was cut off, maybe within a secret.
func (s *secrets) redactCut(text string) string {
	for i := range text {
		for v := range s.values {
			if strings.HasPrefix(v, text[i:]) {
				return s.redact(text[:i]) + "[redacted]"
			}
		}
	}
	return s.redact(text)
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
