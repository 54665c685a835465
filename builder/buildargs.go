package builder

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// proxyArg are arguments that every step of a build has without asking, and that
// the cache does not go by: declaring them would change that.
var proxyArg = regexp.MustCompile(`(?i)^(?:https?|ftp|all|no)_proxy$`)

// buildArgs are the names of [build] args that the steps which compile are given.
func (t *tree) buildArgs() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.args)), proxyArg.MatchString)
}

// installArgs are those that installing packages may go by: all that are not for
// pages. A changed address in a page so installs no package again.
func (t *tree) installArgs() []string { return slices.DeleteFunc(t.buildArgs(), forPages) }

// pageArgs are the others.
func (t *tree) pageArgs() []string {
	return slices.DeleteFunc(t.buildArgs(), func(name string) bool { return !forPages(name) })
}

// flag tells whether the argument is there and switched on.
func (t *tree) flag(name string) bool { return t.args[name] != "" && t.args[name] != "0" }

// args has the steps that follow see build arguments. They have no value here,
// and so none in a file that is taken over.
func (d *dockerfile) args(names []string) {
	for _, name := range names {
		d.add("ARG " + name)
	}
}

// standIns are variables for one command alone, in front of it: what an app's
// settings want to be there, and what it does now makes no use of. Those among
// the build arguments are the app's own.
func (t *tree) standIns(assignments ...string) string {
	line := ""
	for _, a := range assignments {
		name, _, _ := strings.Cut(a, "=")
		if _, given := t.args[name]; !given {
			line += a + " "
		}
	}
	return line
}

// unusedArgs says that no step could read them.
func (t *tree) unusedArgs(p *plan) string {
	if len(t.buildArgs()) == 0 || strings.Contains(p.dockerfile, "\nARG ") {
		return ""
	}
	return fmt.Sprintf("[build] args in teal.toml has no effect (%s): no step of this build could read it. What the app reads where it runs is set with config set",
		deploy.Clean(strings.Join(t.buildArgs(), ", "), 120))
}
