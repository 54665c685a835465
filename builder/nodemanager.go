package builder

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// nodeManager is how an app's packages are installed.
type nodeManager struct {
	name    string   // "npm"
	files   []string // that it needs beside package.json
	install string   // all packages
	prune   string   // leaves those that the app runs with
	only    string   // installs no others in the first place
	cache   string   // where it keeps what it fetched
	setup   string   // has it there; "" for npm
	why     string
	warn    string
}

var managerVersion = regexp.MustCompile(`^(npm|yarn|pnpm)@(\d+(?:\.\d+)*)`)

// chooseManager goes by the lock file.
func (a *nodeApp) chooseManager(ctx context.Context) nodeManager {
	version := ""
	if m := managerVersion.FindStringSubmatch(a.pkg.PackageManager); m != nil {
		version = m[2]
	}
	switch {
	case a.t.has("pnpm-lock.yaml"):
		return pnpm(a.pnpmVersion(ctx, version))
	case a.t.has("yarn.lock"):
		return yarn(version, a.t.has(".yarnrc.yml"))
	}
	m := nodeManager{name: "npm", files: []string{"package-lock.json"}, cache: "/root/.npm", prune: "npm prune --omit=dev"}
	m.install, m.only = "npm ci", "npm ci --omit=dev"
	m.why = "packages: npm, exactly those of package-lock.json"
	switch {
	case a.t.has("package-lock.json"):
	case a.t.has("npm-shrinkwrap.json"):
		m.files, m.why = []string{"npm-shrinkwrap.json"}, "packages: npm, exactly those of npm-shrinkwrap.json"
	default:
		m.files, m.install, m.only = nil, "npm install", "npm install --omit=dev"
		m.why = "packages: npm"
		if len(a.pkg.Dependencies)+len(a.pkg.DevDependencies) > 0 {
			m.warn = "there is no package-lock.json: every build may get other versions of its packages. Run npm install and commit the file"
		}
	}
	return m
}

// pnpmVersion is the one that package.json names, or that goes with the lock file.
func (a *nodeApp) pnpmVersion(ctx context.Context, version string) string {
	if version != "" {
		return version
	}
	text, err := a.t.read(ctx, "pnpm-lock.yaml")
	if err == nil && strings.Contains(firstLine(string(text)), "6.") {
		return "8"
	}
	return "9"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func pnpm(version string) nodeManager {
	return nodeManager{
		name: "pnpm", files: []string{"pnpm-lock.yaml"}, cache: "/root/.local/share/pnpm/store",
		setup:   "npm install --global pnpm@" + version,
		install: "pnpm install --frozen-lockfile", only: "pnpm install --frozen-lockfile --prod",
		prune: "CI=true pnpm prune --prod --ignore-scripts",
		why:   fmt.Sprintf("packages: pnpm %s, exactly those of pnpm-lock.yaml", version),
	}
}

func yarn(version string, berry bool) nodeManager {
	m := nodeManager{name: "yarn", files: []string{"yarn.lock"}, why: "packages: yarn, exactly those of yarn.lock"}
	if berry || version != "" && !strings.HasPrefix(version, "1") {
		if version == "" {
			version = "4"
		}
		m.files = append(m.files, ".yarnrc.yml")
		m.setup = "npm install --global @yarnpkg/cli-dist@" + version
		m.cache = "/root/.yarn/berry/cache"
		m.install = "YARN_NODE_LINKER=node-modules yarn install --immutable"
		m.only = "YARN_NODE_LINKER=node-modules yarn workspaces focus --production"
		m.prune = m.only
		return m
	}
	if version == "" {
		version = "1"
	}
	m.setup = "npm install --global yarn@" + version
	m.cache = "/usr/local/share/.cache/yarn"
	m.install, m.only = "yarn install --frozen-lockfile", "yarn install --frozen-lockfile --production"
	m.prune = "yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline"
	return m
}
