package builder

import (
	"regexp"
	"strings"

	"teal/deploy"
)

// trouble is what a language's tool says when it can't go on, and what to do
// about it. $1 and so on are what the pattern's groups matched.
type trouble struct {
	says   *regexp.Regexp // matched against one of the last lines of the step
	reason string         // in place of "ended with exit code 1"
	hint   string
}

// troubles are looked for in this order.
var troubles = []trouble{
	{
		regexp.MustCompile(`^go: download (go\S+): `),
		"go.mod asks for $1, which cannot be fetched", "correct the go or toolchain line of go.mod",
	},
	{
		regexp.MustCompile(`^(?:\S+: )?go: ([\w./~-]+\.[\w./~-]+@v\S+): (?:reading|invalid version|unrecognized import path|.*(?:404|410|403))`),
		"the module $1 cannot be fetched", "a private one can lie in the repository: go mod vendor, and commit vendor/; else look at its name and version in go.mod",
	},
	{
		regexp.MustCompile(`^(?:\S+: )?(?:go: )?missing go\.sum entry|^go: updates to go\.(?:mod|sum) needed`),
		"go.sum does not go with go.mod", "run go mod tidy, and commit both",
	},
	{
		regexp.MustCompile(`npm ci. can only install packages when your package\.json and`),
		"package-lock.json does not go with package.json", "run npm install, and commit package-lock.json",
	},
	{
		regexp.MustCompile(`ERR_PNPM_OUTDATED_LOCKFILE`),
		"pnpm-lock.yaml does not go with package.json", "run pnpm install, and commit pnpm-lock.yaml",
	},
	{
		regexp.MustCompile(`Your lockfile needs to be updated, but yarn was run with|YN0028|lockfile would have been (?:modified|created)`),
		"yarn.lock does not go with package.json", "run yarn install, and commit yarn.lock",
	},
	{
		regexp.MustCompile(`lockfile had changes, but lockfile is frozen`),
		"the lock file of bun does not go with package.json", "run bun install, and commit it",
	},
	{
		regexp.MustCompile(`npm (?:error|ERR!) 40[134] .*?'?((?:@[\w.-]+/)?[\w.-]+@[^' ]+)'?`),
		"npm does not get $1", "look at its name and version; a private registry stands in .npmrc, with a variable for its token, which is the build secret of that name",
	},
	{
		regexp.MustCompile(`No matching distribution found for (\S+)`),
		"pip does not find $1", "look at its name and version, and whether it is for this version of Python; wheels can also lie in the repository, in wheels/",
	},
	{
		regexp.MustCompile(`Could not find gem '([^']+)'`),
		"bundler does not find the gem $1", "look at its name and version; gems can also lie in the repository: bundle cache",
	},
	{
		regexp.MustCompile(`the lock file \S+ needs to be updated but --locked was passed`),
		"Cargo.lock does not go with Cargo.toml", "run cargo build, and commit Cargo.lock",
	},
	{
		regexp.MustCompile(`Your lock file does not contain a compatible set of packages|lock file is not up to date with the latest changes in composer\.json`),
		"composer.lock does not go with composer.json", "run composer update, and commit composer.lock",
	},
	{
		regexp.MustCompile(`pyproject\.toml changed significantly since poetry\.lock was last generated`),
		"poetry.lock does not go with pyproject.toml", "run poetry lock, and commit poetry.lock",
	},
	{
		regexp.MustCompile(`JavaScript heap out of memory`),
		"Node's own limit of memory was reached", `raise it where the build starts: "build": "NODE_OPTIONS=--max-old-space-size=2048 …"`,
	},
	{
		regexp.MustCompile(`^(?:/bin/)?(?:sh|bash): (?:line )?(?:\d+: )?([\w@./-]+): (?:command )?not found`),
		"the command $1 is not there", "install what brings it before that step: as a dependency in the app's list of packages, or as a Debian package in an Aptfile",
	},
}

// stepHints are for steps that run the app's own code where it is built.
var stepHints = []struct{ runs, hint string }{
	{
		"manage.py collectstatic",
		`the last lines of the step say why; a variable that the settings want stands in teal.toml: [build] args = { NAME = "…" }, and DISABLE_COLLECTSTATIC = "1" there leaves the step out`,
	},
	{
		"rails assets:precompile",
		`the last lines of the step say why; a variable that the app wants stands in teal.toml: [build] args = { NAME = "…" }, and a secret one is better not asked for while assets are made`,
	},
}

// hint is what is known of the step by what it runs; else otherwise.
func (s *step) hint(otherwise string) string {
	for _, h := range stepHints {
		if strings.Contains(s.name, h.runs) {
			return h.hint
		}
	}
	return otherwise
}

// troubleIn finds what the last lines of a step tell.
func troubleIn(log []string) (reason, hint string, found bool) {
	for _, t := range troubles {
		for i := len(log) - 1; i >= max(0, len(log)-tailLines); i-- {
			m := t.says.FindStringSubmatchIndex(log[i])
			if m == nil {
				continue
			}
			expand := func(template string) string {
				return deploy.Clean(string(t.says.ExpandString(nil, template, log[i], m)), 200)
			}
			return expand(t.reason), expand(t.hint), true
		}
	}
	return "", "", false
}
