package commands

import (
	"fmt"
	"strconv"
	"strings"

	"teal/deploy"
)

// option is one flag of a command.
type option struct {
	name  string // "detach": typed --detach
	short string // "f": typed -f; may be empty
	value string // what follows, as help names it: "N"; "": nothing, it is a switch
	help  string
}

func (o option) typed() string {
	s := "--" + o.name
	if o.short != "" {
		s = "-" + o.short + ", " + s
	}
	if o.value != "" {
		s += " " + o.value
	}
	return s
}

// Options that several commands have.
var (
	optJSON   = option{name: "json", help: "print one JSON document"}
	optHelp   = option{name: "help", short: "h", help: "say what the command does"}
	optDetach = option{name: "detach", short: "d", help: "do not wait for the deployment"}
	optUser   = option{name: "user", value: "NAME", help: "the keys of another user (admins)"}
)

// flags are the options that were typed, by name.
type flags map[string]string

func (f flags) has(name string) bool { _, ok := f[name]; return ok }

// on tells whether a switch was typed, and not switched off with =false.
func (f flags) on(name string) bool { return f[name] == "true" }

// number gives the option's value, or otherwise when it was not typed.
func (f flags) number(name string, otherwise, least, most int) (int, error) {
	s, ok := f[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("--%s takes a number from %d to %d, not %q", name, least, most, deploy.Clean(s, 40))
	}
	return n, nil
}

// parse parts the words of a command from its options, which may stand
// anywhere before "--". An error says what is wrong with them in one line.
func parse(options []option, args []string) (flags, []string, error) {
	f, words := flags{}, []string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return f, append(words, args[i+1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		o, value, given, err := match(options, arg)
		if err != nil {
			return nil, nil, err
		}
		if o.value != "" && !given {
			if i++; i == len(args) {
				return nil, nil, fmt.Errorf("%s needs a value: %s", arg, o.typed())
			}
			value = args[i]
		}
		if o.value == "" {
			if value, err = parseSwitch(o, value, given); err != nil {
				return nil, nil, err
			}
		}
		if f.has(o.name) {
			return nil, nil, fmt.Errorf("--%s stands there twice", o.name)
		}
		f[o.name] = value
	}
	return f, words, nil
}

// match finds the option that arg names, with the value that hangs on it
// (--name=value, -n5).
func match(options []option, arg string) (o option, value string, given bool, err error) {
	if name, long := strings.CutPrefix(arg, "--"); long {
		name, value, given = strings.Cut(name, "=")
		names := []string{}
		for _, o := range options {
			if o.name == name {
				return o, value, given, nil
			}
			names = append(names, o.name)
		}
		if like := nearest(name, names); like != "" {
			return o, "", false, fmt.Errorf("there is no option --%s here; did you mean --%s?", deploy.Clean(name, 40), like)
		}
		return o, "", false, fmt.Errorf("there is no option --%s here", deploy.Clean(name, 40))
	}
	for _, o := range options {
		if o.short == "" {
			continue
		}
		if rest, ok := strings.CutPrefix(arg[1:], o.short); ok && (rest == "" || o.value != "") {
			return o, rest, rest != "", nil
		}
	}
	return o, "", false, fmt.Errorf("there is no option %s here", deploy.Clean(arg, 40))
}

func parseSwitch(o option, value string, given bool) (string, error) {
	switch {
	case !given, value == "true", value == "yes":
		return "true", nil
	case value == "false", value == "no":
		return "false", nil
	}
	return "", fmt.Errorf("--%s is a switch: type --%s or --%s=false", o.name, o.name, o.name)
}

// nearest gives the candidate that was probably meant, or "".
func nearest(typed string, candidates []string) string {
	best, least := "", 3 // more than two slips is another word
	for _, c := range candidates {
		d := slips(typed, c)
		if len(typed) > 2 && strings.HasPrefix(c, typed) {
			d = min(d, 2)
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

// slips is the Levenshtein distance, of words short enough to be typed.
func slips(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
