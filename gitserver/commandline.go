package gitserver

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits on a command line.
const (
	maxLine  = 64 << 10
	maxWords = 256
)

// ParseCommandLine splits the command that an SSH client sent into words. Words
// are separated by blanks; 'single quotes' keep everything, "double quotes"
// everything but \" and \\, and a backslash the next character. There are no
// variables, patterns, operators or substitutions: such characters mean
// themselves. Control characters are refused, but for line feeds and tabs
// inside quotes, which a value for "config set" may need.
func ParseCommandLine(line string) ([]string, error) {
	if len(line) > maxLine {
		return nil, fmt.Errorf("the command line has %d bytes, and the limit is %d", len(line), maxLine)
	}
	if !utf8.ValidString(line) {
		return nil, errors.New("the command line is not UTF-8")
	}
	s := splitter{}
	for _, r := range line {
		if err := s.take(r); err != nil {
			return nil, err
		}
	}
	return s.end()
}

// splitter is a state machine over the characters of a command line.
type splitter struct {
	words   []string
	word    []rune
	inWord  bool // a word has begun; it may still be empty: ''
	quote   rune // ' or " while inside; else 0
	escaped bool // the last character was a backslash that counts
}

func (s *splitter) take(r rune) error {
	if r == 0x7f || r < ' ' && r != '\t' && r != '\n' || (r == '\n' && s.quote == 0) {
		return fmt.Errorf("the command line has a control character (%#02x)", r)
	}
	switch {
	case s.escaped:
		s.escaped = false
		if s.quote == '"' && r != '"' && r != '\\' {
			s.add('\\')
		}
		s.add(r)
	case r == '\\' && s.quote != '\'':
		s.escaped, s.inWord = true, true
	case s.quote != 0 && r == s.quote:
		s.quote = 0
	case s.quote != 0:
		s.add(r)
	case r == '\'' || r == '"':
		s.quote, s.inWord = r, true
	case r == ' ' || r == '\t':
		return s.finish()
	default:
		s.add(r)
	}
	return nil
}

func (s *splitter) add(r rune) {
	s.word = append(s.word, r)
	s.inWord = true
}

func (s *splitter) finish() error {
	if !s.inWord {
		return nil
	}
	if len(s.words) == maxWords {
		return fmt.Errorf("the command line has more than %d words", maxWords)
	}
	s.words = append(s.words, string(s.word))
	s.word, s.inWord = s.word[:0], false
	return nil
}

func (s *splitter) end() ([]string, error) {
	switch {
	case s.quote != 0:
		return nil, fmt.Errorf("the command line has a %c that is not closed", s.quote)
	case s.escaped:
		return nil, errors.New("the command line ends in a backslash")
	}
	if err := s.finish(); err != nil {
		return nil, err
	}
	return s.words, nil
}
