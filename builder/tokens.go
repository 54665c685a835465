package builder

import (
	"context"
	"regexp"
	"slices"
)

var tokenVariable = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]{1,63})(?::?-[^}]*)?\}`)

// notTokens are variables that are there anyhow.
var notTokens = []string{"HOME", "PATH", "PWD", "USER", "PORT", "NODE_ENV", "CI"}

// tokens finds the build secrets that files which installing reads name as
// variables: ${NPM_TOKEN} in .npmrc, for a registry of the app's own.
func (t *tree) tokens(ctx context.Context, files ...string) ([]string, error) {
	var found []string
	for _, file := range files {
		text, err := t.readSmall(ctx, file)
		if err != nil {
			return nil, err
		}
		for _, m := range tokenVariable.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(found, m[1]) && !slices.Contains(notTokens, m[1]) {
				found = append(found, m[1])
			}
		}
	}
	return found, nil
}

// sayTokens says that they are looked for.
func sayTokens(tokens []string) (lines []string) {
	for _, name := range tokens {
		lines = append(lines, "build secret "+name+", where the app has one, is given to what installs packages, as their settings name it: build-secrets set APP "+name)
	}
	return lines
}

// withTokens is cached for a command that may read secrets. They are in its
// environment while it runs, and in no layer. One that the app does not have is
// not missed here: such lines are there for publishing, too.
func (d *dockerfile) withTokens(tokens []string, id, dir, command string) {
	mounts := ""
	for _, name := range slices.Backward(tokens) {
		file := "/run/secrets/" + name
		mounts = "    --mount=type=secret,id=" + name + " \\\n" + mounts
		command = "if [ -f " + file + " ]; then export " + name + `="$(cat ` + file + `)"; fi && \` + "\n    " + command
	}
	d.add("RUN --mount=type=cache,id=" + id + ",target=" + dir + " \\\n" + mounts + "    " + command)
}
