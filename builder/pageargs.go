package builder

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// pageVariables are what tools put into the files that browsers get, while
// they build them; prefix is what the names of those variables begin with.
var pageVariables = []struct{ npm, prefix string }{
	{"next", "NEXT_PUBLIC_"},
	{"vite", "VITE_"},
	{"react-scripts", "REACT_APP_"},
	{"@vue/cli-service", "VUE_APP_"},
	{"gatsby", "GATSBY_"},
	{"astro", "PUBLIC_"},
	{"expo", "EXPO_PUBLIC_"},
	{"laravel-mix", "MIX_"},
}

// forPages tells whether a variable is for pages, by its name.
func forPages(name string) bool {
	for _, tool := range pageVariables {
		if strings.HasPrefix(name, tool.prefix) {
			return true
		}
	}
	return false
}

var (
	pageSource   = regexp.MustCompile(`\.(?:[cm]?[jt]sx?|vue|svelte|astro)$`)
	notPage      = regexp.MustCompile(`(?:^|/)(?:node_modules|dist|build|out|coverage|tests?|__tests__|cypress|e2e|\.[^/]+)/|\.(?:test|spec|stories|d)\.`)
	pageSettings = regexp.MustCompile(`^(?:\.env(?:\.production)?(?:\.local)?|package\.json|[\w-]+\.config\.[cm]?[jt]s)$`)
)

// missingPageArgs warns of variables that the sources of pages read and nothing
// gives: the build would put "undefined" into them, and end well. One that has a
// value of its own beside it (|| or ??) is not missed.
func (a *nodeApp) missingPageArgs(ctx context.Context) (string, error) {
	var prefixes []string
	for _, tool := range pageVariables {
		if a.pkg.needs(tool.npm) {
			prefixes = append(prefixes, tool.prefix)
		}
	}
	if a.build == "" || len(prefixes) == 0 {
		return "", nil
	}
	reads := regexp.MustCompile(`\b(?:process|import\.meta)\.env(?:\.|\[["'])((?:` + strings.Join(prefixes, "|") + `)[A-Z0-9_]+)\b(?:["']\])?\s*(\|\||\?\?)?`)
	settings, where := "", map[string]string{}
	err := a.t.search(ctx, func(name string) bool {
		return (pageSettings.MatchString(name) || pageSource.MatchString(name) && !notPage.MatchString(name)) && (a.t.keep == nil || a.t.keep(name))
	}, func(name string, text []byte) bool {
		if pageSettings.MatchString(name) {
			settings += string(text) + "\n"
		}
		if !bytes.Contains(text, []byte("env")) { // quicker than the pattern
			return true
		}
		for _, m := range reads.FindAllSubmatch(text, -1) {
			if v := string(m[1]); len(m[2]) == 0 && where[v] == "" {
				where[v] = name
			}
		}
		return true
	})
	if err != nil {
		return "", err
	}
	var missing []string
	for v := range where {
		_, given := a.t.args[v]
		if !given && !regexp.MustCompile(`\b`+v+`["']?\s*[=:]`).MatchString(settings) {
			missing = append(missing, v)
		}
	}
	if len(missing) == 0 {
		return "", nil
	}
	slices.Sort(missing)
	return fmt.Sprintf("nothing gives the build %s, which %s reads: pages get undefined in its place. In teal.toml: [build] args = { %s = \"…\" }; config set is for where the app runs",
		deploy.Clean(strings.Join(missing, ", "), 300), deploy.Clean(path.Clean(where[missing[0]]), 80), deploy.Clean(strings.Join(missing, ` = "…", `), 500)), nil
}
