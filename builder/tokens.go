package builder

import (
	"context"
	"regexp"
	"slices"
)

// buildToken is a build secret that a file which installing reads names as a variable:
// ${NPM_TOKEN} in .npmrc, for a registry of the app's own.
type buildToken struct {
	name     string
	optional bool // the file has something to put in its place
}

var tokenVariable = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]{1,63})(:?-[^}]*)?\}`)

// notTokens are variables that are there anyhow.
var notTokens = []string{"HOME", "PATH", "PWD", "USER", "PORT", "NODE_ENV", "CI"}

// tokens finds those of the files that are there.
func (t *tree) tokens(ctx context.Context, files ...string) ([]buildToken, error) {
	var found []buildToken
	for _, file := range files {
		text, err := t.readSmall(ctx, file)
		if err != nil {
			return nil, err
		}
		for _, m := range tokenVariable.FindAllStringSubmatch(text, -1) {
			known := slices.ContainsFunc(found, func(o buildToken) bool { return o.name == m[1] })
			if !known && !slices.Contains(notTokens, m[1]) {
				found = append(found, buildToken{m[1], m[2] != ""})
			}
		}
	}
	return found, nil
}

// sayTokens says that they are wanted.
func sayTokens(tokens []buildToken) (lines []string) {
	for _, t := range tokens {
		lines = append(lines, "build secret "+t.name+" is given to what installs packages, as their settings name it: build-secrets set APP "+t.name)
	}
	return lines
}

// withTokens is cached for a command that may read secrets. They are in its
// environment while it runs, and in no layer.
func (d *dockerfile) withTokens(tokens []buildToken, id, dir, command string) {
	mounts := ""
	for i := range slices.Backward(tokens) {
		t, required := tokens[i], ",required"
		set := "export " + t.name + `="$(cat /run/secrets/` + t.name + `)"`
		if t.optional {
			required, set = "", "if [ -f /run/secrets/"+t.name+" ]; then "+set+"; fi"
		}
		mounts = "    --mount=type=secret,id=" + t.name + required + " \\\n" + mounts
		command = set + " && \\\n    " + command
	}
	d.add("RUN --mount=type=cache,id=" + id + ",target=" + dir + " \\\n" + mounts + "    " + command)
}
