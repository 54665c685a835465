package builder

import (
	"regexp"
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
	a.copyTools(&d, on)
	switch {
	case built:
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	case packages:
		d.add("COPY --from=build /app/node_modules ./node_modules", "COPY --chown=65532:65532 . .")
	default:
		d.add("COPY --chown=65532:65532 . .")
	}
	env := "ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH"
	if a.runsBerry() {
		env += " YARN_NODE_LINKER=node-modules"
	}
	d.run(env, argv)
	return d.String()
}

// pageDockerfile builds a single-page app and serves its files.
func (a *nodeApp) pageDockerfile(tool pageTool) string {
	var d dockerfile
	a.prepare(&d)
	a.packages(&d, a.manager.install)
	a.sources(&d)
	d.add("RUN "+a.run(a.build), "", "FROM teal/static", "COPY --from=build /app/"+tool.out+"/ /public/")
	if !tool.many {
		d.add(`CMD ["-spa"]`)
	}
	return d.String()
}

// installed writes the stage that has the packages, and what scripts.build makes.
func (a *nodeApp) installed(d *dockerfile) (packages, built bool) {
	packages = len(a.pkg.Dependencies)+len(a.pkg.DevDependencies) > 0 || a.pkg.Workspaces != nil || a.tools["yarn"] || a.tools["pnpm"] || a.tools["bun"]
	builds := append(present(a.build), a.more...)
	if !packages && len(builds) == 0 {
		return false, false
	}
	a.prepare(d)
	install, prune := a.manager.only, ""
	switch {
	case a.keep != "":
		install = a.manager.install
	case len(builds) > 0 || a.hasHooks():
		install, prune = a.manager.install, a.manager.prune
	}
	if len(builds) == 0 && !a.wholeTree() {
		a.packages(d, present(install, prune, "mkdir -p node_modules")...)
		return true, false
	}
	a.packages(d, install)
	a.sources(d)
	for _, script := range builds {
		d.add("RUN " + a.run(script))
	}
	if prune != "" {
		d.withTokens(a.tokens, a.manager.name, a.manager.cache, prune)
	}
	return true, true
}

func (a *nodeApp) prepare(d *dockerfile) {
	d.add("FROM " + stackPrefix + "node:" + a.line + "-build AS " + a.stage)
	d.install(a.t.apt)
	if a.manager.source != "" {
		d.add("RUN npm install --global " + a.manager.source)
	}
	a.makeTools(d)
}

// packages installs the packages from package.json and the lock file alone, so
// that a changed source does not; after the whole tree where that needs it.
func (a *nodeApp) packages(d *dockerfile, commands ...string) {
	if a.wholeTree() {
		d.add("COPY . .")
		d.args(a.t.buildArgs())
	} else {
		files := []string{"package.json"}
		for _, name := range append(slices.Clone(a.manager.files), ".npmrc") {
			if a.t.has(name) {
				files = append(files, name)
			}
		}
		d.add("COPY " + strings.Join(files, " ") + " ./")
		d.args(a.t.installArgs())
	}
	if a.pkg.has("heroku-prebuild") {
		d.add("RUN npm run heroku-prebuild")
	}
	d.withTokens(a.tokens, a.manager.name, a.manager.cache, strings.Join(commands, " && "))
}

// sources are what is built with those packages, where they are not there yet.
func (a *nodeApp) sources(d *dockerfile) {
	if !a.wholeTree() {
		d.add("COPY . .")
		d.args(a.t.pageArgs())
	}
}

// husky is what sets git hooks up: it needs its own package, and nothing of the tree.
var husky = regexp.MustCompile(`^(npx )?husky( install)?( \|\| (true|exit 0|:))?$`)

// installHooks are scripts of the app itself that installing its packages runs.
var installHooks = []string{"preinstall", "install", "postinstall", "prepare"}

// hasHooks tells whether there is one. It may call what only developing needs,
// as it does where people install.
func (a *nodeApp) hasHooks() bool { return slices.ContainsFunc(installHooks, a.pkg.has) }

// wholeTree tells whether installing reads more than package.json and the lock
// file: workspaces, packages that lie in the tree, patches, scripts of its own.
func (a *nodeApp) wholeTree() bool {
	if a.pkg.Workspaces != nil || a.t.has("pnpm-workspace.yaml") || a.t.hasDir("patches") || a.t.hasDir("prisma") || a.t.hasDir(".yarn") || a.runsBerry() || a.pkg.has("heroku-prebuild") {
		return true
	}
	for _, script := range installHooks {
		if a.pkg.has(script) && !husky.MatchString(strings.TrimSpace(a.pkg.Scripts[script])) {
			return true
		}
	}
	for _, of := range []jsonTexts{a.pkg.Dependencies, a.pkg.DevDependencies} {
		for _, at := range of {
			if strings.HasPrefix(at, "file:") || strings.HasPrefix(at, "link:") || strings.HasPrefix(at, "workspace:") || strings.HasPrefix(at, "./") {
				return true
			}
		}
	}
	return false
}

func (a *nodeApp) run(script string) string { return a.manager.name + " run " + script }
