package builder

import (
	"context"
	"slices"
	"strings"

	"teal/deploy"
)

// nodeApp is a tree with a package.json on its way to a plan.
type nodeApp struct {
	t       *tree
	pkg     packageJSON
	manager nodeManager
	line    string          // "24"
	build   string          // the name of the build script; "" for none
	more    []string        // scripts that run after it
	keep    string          // a development dependency that the app runs with; "": none
	tools   map[string]bool // package managers that commands need where the app runs: "npm"
	tokens  []string
	stage   string // of the Dockerfile, where packages are installed
}

// detectNode takes a tree with a package.json: a server, or a single-page app
// whose built files are served.
func detectNode(ctx context.Context, t *tree) (*plan, error) {
	if !t.has("package.json") {
		return nil, nil
	}
	a, err := readNode(ctx, t, "build")
	if err != nil {
		return nil, err
	}
	if a.forTools() {
		return nil, nil
	}
	version, err := a.choose(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{kind: "node", what: "Node " + a.line + ": package.json found", omit: []string{"node_modules"}, resolve: a.resolve}
	p.why = append([]string{"Node: package.json found, and no Dockerfile", version.why, a.manager.why}, sayTokens(a.tokens)...)
	missing, err := a.missingPageArgs(ctx)
	if err != nil {
		return nil, err
	}
	p.warn = present(version.warn, a.manager.warn, missing)
	if name := firstOf(pythonEntries, t.has); name != "" && t.kind == "" {
		p.why = append(p.why, name+" is here, too, and nothing that names Python packages: [build] language = \"python\" in teal.toml makes it the app")
	}
	if tool, why := a.page(); tool != nil {
		p.why = append(p.why, why)
		p.on, p.paths = stackPrefix+"static", []string{"/public"}
		p.dockerfile = a.pageDockerfile(*tool)
		return p, nil
	}
	argv, why, err := a.start()
	if err != nil {
		return nil, err
	}
	if a.build != "" {
		p.why = append(p.why, "build: scripts."+a.build+" in package.json, "+deploy.Clean(a.pkg.Scripts[a.build], 100))
	}
	p.why = append(p.why, why)
	if a.keep = a.runsWith(); a.keep != "" {
		p.why = append(p.why, "devDependencies stay in the image: what runs names "+deploy.Clean(a.keep, 60)+", which is one of them")
	}
	for _, line := range t.predeploy {
		switch script := assetScript(line); {
		case !a.pkg.has(script):
			a.wants(line)
		case script != a.build:
			a.more = append(a.more, script)
		}
	}
	for _, c := range t.commands {
		a.wants(a.resolve(c.text()))
	}
	p.why = append(p.why, a.sayTools()...)
	p.on = stackPrefix + "node:" + a.line
	p.dockerfile = a.dockerfile(argv)
	if len(t.apt) == 0 && len(a.tools) == 0 {
		p.paths = []string{"/app"}
	}
	return p, nil
}

// npmSettings say where packages come from.
var npmSettings = []string{".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml"}

// readNode reads the tree's package.json; stage is where packages are installed.
func readNode(ctx context.Context, t *tree, stage string) (*nodeApp, error) {
	text, err := t.read(ctx, "package.json")
	if err != nil {
		return nil, err
	}
	a := &nodeApp{t: t, stage: stage}
	if a.pkg, err = readPackageJSON(text); err != nil {
		return nil, err
	}
	a.build = firstOf([]string{"heroku-postbuild", "build"}, a.pkg.has)
	return a, nil
}

// choose settles the version of Node, the package manager, and what it has to be told.
func (a *nodeApp) choose(ctx context.Context) (chosen, error) {
	asks, err := a.asks(ctx)
	if err != nil {
		return chosen{}, err
	}
	version, err := a.t.version("node", asks)
	if err != nil {
		return chosen{}, err
	}
	a.line, a.manager = version.line, a.chooseManager(ctx)
	a.tokens, err = a.t.tokens(ctx, npmSettings...)
	return version, err
}

// present gives those texts that are not empty.
func present(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// asks finds the version that the app asks for, in the order that people expect.
func (a *nodeApp) asks(ctx context.Context) (wish, error) {
	if v := a.pkg.Volta["node"]; v != "" {
		return nodeWish(v, "volta.node in package.json"), nil
	}
	if v := strings.TrimSpace(a.pkg.Engines["node"]); v != "" {
		return nodeWish(v, "engines.node in package.json"), nil
	}
	for _, name := range []string{".nvmrc", ".node-version"} {
		text, err := a.t.readSmall(ctx, name)
		if err != nil {
			return wish{}, err
		}
		if v := versionIn(text); v != "" {
			return nodeWish(v, name), nil
		}
	}
	return a.t.toolVersion(ctx, "nodejs", "node")
}

// toolVersion reads .tool-versions, which asdf and mise share.
func (t *tree) toolVersion(ctx context.Context, names ...string) (wish, error) {
	text, err := t.readSmall(ctx, ".tool-versions")
	if err != nil {
		return wish{}, err
	}
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) >= 2 && slices.Contains(names, words[0]) {
			return wish{words[1], ".tool-versions"}, nil
		}
	}
	return wish{}, nil
}

func (a *nodeApp) hasServer() bool {
	return a.pkg.Main != "" && a.t.has(strings.TrimPrefix(string(a.pkg.Main), "./")) || slices.ContainsFunc(serverFiles, a.t.has)
}

var serverFiles = []string{"server.js", "index.js", "app.js", "server.mjs", "index.mjs", "main.js", "src/server.js", "src/index.js"}

// start finds what runs: what is declared, the start script, main, a file with a usual name.
func (a *nodeApp) start() (argv []string, why string, err error) {
	say := func(from, line string) string {
		shown := deploy.Clean(strings.Join(argv, " "), 120)
		if shown == line {
			return "start: " + from + ", " + shown
		}
		return "start: " + from + ", " + deploy.Clean(line, 80) + " → " + shown
	}
	main := strings.TrimPrefix(string(a.pkg.Main), "./")
	switch {
	case a.t.web != "":
		argv = a.argv(a.t.web)
		return argv, say("the declared web process", a.t.web), nil
	case a.pkg.Scripts["start"] != "":
		argv = a.argv("npm start")
		return argv, say("scripts.start in package.json", "npm start"), nil
	case a.pkg.needs("nuxt") && a.build != "":
		return []string{"node", ".output/server/index.mjs"}, "start: Nuxt's own server", nil
	case a.pkg.needs("next"):
		return []string{"next", "start"}, "start: Next's own server", nil
	case main != "" && (a.t.has(main) || a.build != ""):
		return []string{"node", main}, "start: main in package.json, node " + main, nil
	}
	for _, name := range serverFiles {
		if a.t.has(name) {
			return []string{"node", name}, "start: " + name + " found", nil
		}
	}
	return nil, "", failure("package.json found, but nothing that says how to start the app",
		`add a start script to package.json ("start": "node server.js"), or a Procfile with "web: …"`, nil, nil)
}
