package builder

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// An Aptfile lists Debian packages that the app needs, one a line, as Heroku's
// apt buildpack has it. They are installed where the app is built and where it
// runs; that is also how an app gets libraries of its language from Debian where
// the language's own registry is out of reach.

var debianPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$`)

// readAptfile gives the packages of an Aptfile.
func readAptfile(ctx context.Context, t *tree) ([]string, error) {
	text, err := t.readSmall(ctx, "Aptfile")
	if err != nil {
		return nil, err
	}
	var packages []string
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for _, name := range strings.Fields(line) {
			if !debianPackage.MatchString(name) {
				return nil, failure(fmt.Sprintf("Aptfile line %d: %q is not the name of a Debian package", n+1, deploy.Clean(name, 60)),
					"files and repositories of others can be used in a Dockerfile", nil, nil)
			}
			packages = append(packages, name)
		}
	}
	return packages, nil
}

// hasApt tells whether the Aptfile has a package whose name begins so.
func (t *tree) hasApt(prefix string) bool {
	return slices.ContainsFunc(t.apt, func(name string) bool { return strings.HasPrefix(name, prefix) })
}
