package builder

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// nodeManager is how an app's packages are installed.
type nodeManager struct {
	name    string   // "npm"
	files   []string // that it needs beside package.json
	install string   // all packages
	prune   string   // leaves those that the app runs with; "" where that can't be done
	only    string   // installs no others in the first place
	cache   string   // where it keeps what it fetched
	source  string   // the package that it comes as: "pnpm@9"; "" for npm
	why     string
	warn    string
}

// nodeLocks are the lock files, and whose they are. The first that is there
// counts, unless package.json names the manager.
var nodeLocks = []struct{ file, manager string }{
	{"pnpm-lock.yaml", "pnpm"},
	{"yarn.lock", "yarn"},
	{"bun.lock", "bun"},
	{"bun.lockb", "bun"},
	{"package-lock.json", "npm"},
	{"npm-shrinkwrap.json", "npm"},
}

var managerVersion = regexp.MustCompile(`^(npm|yarn|pnpm|bun)@(\d+(?:\.\d+)*)`)

// chooseManager goes by the lock file.
func (a *nodeApp) chooseManager(ctx context.Context) nodeManager {
	named, version := "", ""
	if m := managerVersion.FindStringSubmatch(string(a.pkg.PackageManager)); m != nil {
		named, version = m[1], m[2]
	}
	lock, manager, left := "", "", []string(nil)
	for _, l := range nodeLocks {
		switch {
		case !a.t.has(l.file):
		case lock == "":
			lock, manager = l.file, l.manager
		case l.manager == named && manager != named:
			left = append(left, lock)
			lock, manager = l.file, l.manager
		default:
			left = append(left, l.file)
		}
	}
	if manager != named {
		version = ""
	}
	m := a.managerOf(ctx, manager, lock, version)
	if len(left) > 0 {
		m.warn = fmt.Sprintf("%s: there is more than one lock file, and %s is not used: remove what is out of date", lock, deploy.Clean(strings.Join(left, ", "), 100))
	}
	return m
}

func (a *nodeApp) managerOf(ctx context.Context, name, lock, version string) nodeManager {
	switch name {
	case "pnpm":
		return pnpm(a.pnpmVersion(ctx, version))
	case "yarn":
		if berry := a.berryVersion(ctx, version); berry != "" {
			return yarnBerry(berry)
		}
		return yarnClassic(version)
	case "bun":
		return bun(lock, version)
	}
	m := nodeManager{name: "npm", files: []string{lock}, cache: "/root/.npm", prune: "npm prune --omit=dev"}
	m.install, m.only = "npm ci", "npm ci --omit=dev"
	m.why = "packages: npm, exactly those of " + lock
	if lock == "" {
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
	first := firstLine(string(text))
	switch {
	case err == nil && strings.Contains(first, "5."):
		return "7"
	case err == nil && strings.Contains(first, "6."):
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
		name: "pnpm", files: []string{"pnpm-lock.yaml", ".pnpmfile.cjs"}, cache: "/root/.local/share/pnpm/store",
		source:  "pnpm@" + version,
		install: "pnpm install --frozen-lockfile", only: "pnpm install --frozen-lockfile --prod",
		prune: "CI=true pnpm prune --prod --ignore-scripts",
		why:   fmt.Sprintf("packages: pnpm %s, exactly those of pnpm-lock.yaml", version),
	}
}

var berryLock = regexp.MustCompile(`(?m)^__metadata:\s*\n\s+version:\s*"?(\d+)`)

// berryVersion is the version of Yarn from 2 on that package.json names, or that
// writes such a lock file; "" for Yarn 1.
func (a *nodeApp) berryVersion(ctx context.Context, version string) string {
	if version != "" {
		if strings.HasPrefix(version, "1.") || version == "1" {
			return ""
		}
		return version
	}
	text, err := a.t.read(ctx, "yarn.lock")
	if m := berryLock.FindSubmatch(text); err == nil && m != nil {
		if len(m[1]) == 1 && m[1][0] < '8' {
			return "3"
		}
		return "4"
	}
	if a.t.has(".yarnrc.yml") {
		return "4"
	}
	return ""
}

// yarnBerry is Yarn from 2 on. Only from 4 on it can leave what developing needs
// out by itself.
func yarnBerry(version string) nodeManager {
	m := nodeManager{
		name: "yarn", files: []string{"yarn.lock", ".yarnrc.yml"}, cache: "/root/.yarn/berry/cache",
		source:  "@yarnpkg/cli-dist@" + version,
		install: "YARN_NODE_LINKER=node-modules yarn install --immutable",
		why:     fmt.Sprintf("packages: yarn %s, exactly those of yarn.lock", version),
	}
	m.only = m.install
	if !slices.Contains([]string{"2", "3"}, version[:1]) {
		m.only = "YARN_NODE_LINKER=node-modules yarn workspaces focus --all --production"
		m.prune = m.only
	}
	return m
}

func yarnClassic(version string) nodeManager {
	if version == "" {
		version = "1"
	}
	return nodeManager{
		name: "yarn", files: []string{"yarn.lock", ".yarnrc"}, cache: "/usr/local/share/.cache/yarn",
		source:  "yarn@" + version,
		install: "yarn install --frozen-lockfile", only: "yarn install --frozen-lockfile --production",
		prune: "yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline",
		why:   fmt.Sprintf("packages: yarn %s, exactly those of yarn.lock", version),
	}
}

func bun(lock, version string) nodeManager {
	if version == "" {
		version = "1"
	}
	const only = "bun install --frozen-lockfile --production"
	return nodeManager{
		name: "bun", files: []string{lock, "bunfig.toml"}, cache: "/root/.bun/install/cache",
		source:  "bun@" + version,
		install: "bun install --frozen-lockfile", only: only, prune: "rm -r node_modules && " + only,
		why: fmt.Sprintf("packages: bun %s, exactly those of %s", version, lock),
	}
}
