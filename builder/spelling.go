package builder

import (
	"fmt"
	"slices"
	"strings"

	"teal/deploy"
)

// spoken are files by which an app speaks to Teal, besides those of its language.
var spoken = []string{"Dockerfile", "Procfile", manifestName, "app.json", "CHECKS", "Aptfile", "Staticfile"}

// namesRead are all names at the root that Teal goes by.
func namesRead() []string {
	names := slices.Clone(spoken)
	for _, k := range kinds {
		names = append(names, k.marks...)
	}
	return names
}

// misspelled finds files that differ from those that are read by capitals alone,
// as systems that do not tell them apart let people write: "PROCFILE". It gives a
// line for each.
func (t *tree) misspelled() (lines []string) {
	known := namesRead()
	for _, name := range t.in(".") {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if i >= 0 && known[i] != name && !t.has(known[i]) {
			lines = append(lines, fmt.Sprintf("%s is not spelled %s, and not read", deploy.Clean(name, 60), known[i]))
		}
	}
	return lines
}

// refuseLinks refuses symbolic links in place of files that are read: what they
// lead to is not followed, and an app without its Procfile is another app.
func (t *tree) refuseLinks() error {
	for _, name := range spoken {
		if f, there := t.files[name]; there && !f.Mode.IsRegular() {
			return failure(name+" is a symbolic link, which is not followed", "commit the file itself in its place", nil, nil)
		}
	}
	return nil
}
