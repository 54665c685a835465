package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"teal/deploy"
)

// wish is the version of a language that an app asks for.
type wish struct {
	constraint string // "22", ">=3.9,<3.13", "~> 3.1", "20.11.1"; "": it does not say
	from       string // "engines.node in package.json"; without a constraint: what was found instead of one
}

// chosen is the version that it gets.
type chosen struct {
	line string // of the stack image: "22", "3.11"
	why  string // for the log
	warn string // what is not as it was asked for; ""
}

// offer is what can be had of a language.
type offer struct {
	only  string   // why no more than Debian's version and lines can; "": all can
	lines []string // whose stack images are here
}

// among gives Debian's version and those of the lines, the oldest first.
func (l language) among(lines []string) (can []string) {
	for _, line := range l.lines {
		if line == l.debian || slices.Contains(lines, line) {
			can = append(can, line)
		}
	}
	return can
}

// choose finds the version for what is asked among those that can be had: the
// preferred one when it fits, else the newest that does. One that is asked for to
// the last digit gets its line, with the newest fixes, and a warning says so. When
// nothing fits, Debian's version is taken where it differs in the minor number
// only; else it is a failure that says what to do.
func (l language) choose(a wish, o offer) (chosen, error) {
	can, prefer, only := l.lines, l.preferred, o.only
	if only != "" {
		can, prefer = l.among(o.lines), l.debian
	}
	if a.constraint == "" {
		if a.from == "" {
			a.from = "the app does not say"
		}
		return chosen{line: prefer, why: fmt.Sprintf("%s %s: %s, this is the default", l.title, prefer, a.from)}, nil
	}
	says := fmt.Sprintf("%s says %q", a.from, deploy.Clean(a.constraint, 60))
	if l.tilde {
		a.constraint = shortTilde.ReplaceAllString(a.constraint, "^$1$2")
	}
	for _, line := range l.order(can, prefer) {
		switch fits(a.constraint, line) {
		case fitsWell:
			return chosen{line: line, why: fmt.Sprintf("%s %s: %s", l.title, line, says)}, nil
		case fitsLine:
			return chosen{
				line: line, why: fmt.Sprintf("%s %s: %s", l.title, line, says),
				warn: fmt.Sprintf("the newest %s %s is used, with its security fixes, not exactly %s", l.title, line, strings.TrimLeft(a.constraint, "v=")),
			}, nil
		}
	}
	if only != "" && !l.known(a.constraint) {
		return chosen{}, failure(fmt.Sprintf("%s, and there is no such %s: Teal knows %s", says, l.title, strings.Join(l.lines, ", ")),
			fmt.Sprintf("ask for one of them, or bring a Dockerfile; here is %s alone, as %s", strings.Join(can, ", "), only), nil, nil)
	}
	if pinned.MatchString(a.constraint) && only != "" && major(a.constraint) == major(prefer) {
		return chosen{
			line: prefer, why: fmt.Sprintf("%s %s: Debian's, as %s", l.title, prefer, only),
			warn: fmt.Sprintf("%s, but %s and Debian has %s %s: that is used. Test with it", says, only, l.title, prefer),
		}, nil
	}
	hint := "ask for one of them, or bring a Dockerfile"
	if only != "" {
		hint = only + ", and neither Debian nor the base images that are here have another version: " + hint
	}
	return chosen{}, failure(fmt.Sprintf("%s, and there is %s %s", says, l.title, strings.Join(can, ", ")), hint, nil, nil)
}

// known tells whether any version of the language fits, wherever it can be had.
func (l language) known(constraint string) bool {
	return slices.ContainsFunc(l.lines, func(line string) bool { return fits(constraint, line) != fitsNot })
}

// order gives the preferred version first, then the newest ones.
func (l language) order(can []string, prefer string) []string {
	order := []string{prefer}
	for _, line := range slices.Backward(can) {
		if line != prefer {
			order = append(order, line)
		}
	}
	return order
}

// How a line of versions fits a constraint.
const (
	fitsNot = iota
	fitsLine
	fitsWell
)

var (
	pinned  = regexp.MustCompile(`^[v=]*\d+(\.\d+)*$`)
	numbers = regexp.MustCompile(`\d+(?:\.\d+)*`)
)

// fits tells whether versions of the line ("22", "3.11") satisfy the constraint.
// Which one exactly an image has is not known here, so the ends of the line and
// the numbers of the constraint itself are tried.
func fits(constraint, line string) int {
	if pinned.MatchString(constraint) {
		return fitsPin(strings.TrimLeft(constraint, "v="), line)
	}
	for _, not := range notEqual.FindAllStringSubmatch(constraint, -1) {
		if strings.TrimSuffix(not[1], ".*") == line {
			return fitsNot
		}
	}
	c, err := semver.NewConstraint(normal(constraint))
	if err != nil {
		return fitsNot
	}
	tries := []string{line + ".999", line}
	for _, n := range numbers.FindAllString(constraint, -1) {
		if n == line || strings.HasPrefix(n, line+".") {
			tries = append(tries, n)
		}
	}
	for _, try := range tries {
		if v, err := semver.NewVersion(try); err == nil && c.Check(v) {
			return fitsWell
		}
	}
	return fitsNot
}

// fitsPin compares a plain number with a line.
func fitsPin(pin, line string) int {
	switch {
	case pin == line || strings.HasPrefix(line, pin+"."):
		return fitsWell
	case strings.HasPrefix(pin, line+"."):
		if strings.Count(pin, ".") == strings.Count(line, ".")+1 && strings.HasSuffix(pin, ".0") {
			return fitsWell // "22.0": how some tools write 22
		}
		return fitsLine
	}
	return fitsNot
}

var (
	pessimistic = regexp.MustCompile(`~>\s*(\d+)(\.\d+)?(\.\d+)?`)
	compatible  = regexp.MustCompile(`~=\s*(\d+)(\.\d+)?(\.\d+)?`)
	bareOr      = regexp.MustCompile(`\s*\|{1,2}\s*`)
	wildcard    = regexp.MustCompile(`==\s*`)
	shortTilde  = regexp.MustCompile(`~\s*(\d+\.\d+)([\s|,]|$)`)
	notEqual    = regexp.MustCompile(`!=\s*([\d.*]+),?`)
)

// normal writes the constraints of npm, pip, gem and composer the way that the library reads.
func normal(constraint string) string {
	loose := func(s string) string {
		m := numbers.FindString(s)
		if strings.Count(m, ".") <= 1 { // up to the next major one
			return "^" + m
		}
		return "~" + m
	}
	constraint = pessimistic.ReplaceAllStringFunc(constraint, loose)
	constraint = compatible.ReplaceAllStringFunc(constraint, loose)
	constraint = notEqual.ReplaceAllString(constraint, "")
	constraint = wildcard.ReplaceAllString(constraint, "=")
	constraint = bareOr.ReplaceAllString(constraint, " || ")
	return strings.TrimRight(strings.TrimSpace(constraint), ",")
}

func major(version string) int {
	n, _ := strconv.Atoi(strings.SplitN(numbers.FindString(version), ".", 2)[0])
	return n
}
