package builder

import (
	"maps"
	"slices"
	"strings"
)

// dockerfile runs a server. Without a build step the source goes straight into
// the image, over packages that change less often.
func (a *nodeApp) dockerfile(argv []string) string {
	on := stackPrefix + "node:" + a.line
	var d dockerfile
	packages, built := a.installed(&d)
	d.add("", "FROM "+on)
	d.install(a.t.apt)
	switch {
	case built:
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	case packages:
		d.add("COPY --from=build /app/node_modules ./node_modules", "COPY --chown=65532:65532 . .")
	default:
		d.add("COPY --chown=65532:65532 . .")
	}
	if a.npm {
		d.add("COPY --from="+on+"-build /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm",
			"RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm")
	}
	d.run("ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH", argv)
	return d.String()
}

// pageDockerfile builds a single-page app and serves its files.
func (a *nodeApp) pageDockerfile(out string) string {
	var d dockerfile
	a.prepare(&d)
	a.packages(&d, a.manager.install, "COPY . .")
	d.add("RUN "+a.run("build"), "", "FROM teal/static", "COPY --from=build /app/"+out+"/ /public/", `CMD ["-spa"]`)
	return d.String()
}

// installed writes the stage that has the packages, and what scripts.build makes.
func (a *nodeApp) installed(d *dockerfile) (packages, built bool) {
	packages = len(a.pkg.Dependencies)+len(a.pkg.DevDependencies) > 0 || a.pkg.Workspaces != nil
	if !packages && a.build == "" {
		return false, false
	}
	a.prepare(d)
	if a.build == "" && !a.wholeTree() {
		a.packages(d, a.manager.only+" && mkdir -p node_modules")
		return true, false
	}
	if a.build == "" {
		a.packages(d, a.manager.only, "COPY . .")
		return true, true
	}
	a.packages(d, a.manager.install, "COPY . .")
	d.add("RUN " + a.run("build"))
	d.cached("npm", a.manager.cache, a.manager.prune)
	return true, true
}

func (a *nodeApp) prepare(d *dockerfile) {
	d.add("FROM " + stackPrefix + "node:" + a.line + "-build AS build")
	d.install(a.t.apt)
	if a.manager.setup != "" {
		d.add("RUN " + a.manager.setup)
	}
}

// packages installs the packages from package.json and the lock file alone, so
// that a changed source does not; after the whole tree where that needs it.
func (a *nodeApp) packages(d *dockerfile, install string, then ...string) {
	if a.wholeTree() {
		d.add("COPY . .")
		d.cached("npm", a.manager.cache, install)
		return
	}
	files := []string{"package.json"}
	for _, name := range append(slices.Clone(a.manager.files), ".npmrc") {
		if a.t.has(name) {
			files = append(files, name)
		}
	}
	d.add("COPY " + strings.Join(files, " ") + " ./")
	d.cached("npm", a.manager.cache, install)
	d.add(then...)
}

// wholeTree tells whether installing reads more than package.json and the lock
// file: workspaces, packages that lie in the tree, patches, scripts of its own.
func (a *nodeApp) wholeTree() bool {
	if a.pkg.Workspaces != nil || a.t.has("pnpm-workspace.yaml") || a.t.hasDir("patches") || a.t.hasDir("prisma") || a.t.hasDir(".yarn") {
		return true
	}
	for _, script := range []string{"preinstall", "install", "postinstall", "prepare", "heroku-prebuild"} {
		if a.pkg.Scripts[script] != "" {
			return true
		}
	}
	for _, of := range []map[string]string{a.pkg.Dependencies, a.pkg.DevDependencies} {
		for _, at := range slices.Collect(maps.Values(of)) {
			if strings.HasPrefix(at, "file:") || strings.HasPrefix(at, "link:") || strings.HasPrefix(at, "workspace:") || strings.HasPrefix(at, "./") {
				return true
			}
		}
	}
	return false
}

func (a *nodeApp) run(script string) string { return a.manager.name + " run " + script }
