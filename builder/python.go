package builder

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// pythonApp is a Python tree on its way to a plan.
type pythonApp struct {
	t       *tree
	needs   string   // everything that names dependencies, in lower case
	seen    []string // the files that it is of
	install []string
	files   []string // that installing reads; nil: the whole tree
	pip     string   // options of pip
	why     string
	warn    []string
	assets  *assets
	tokens  []string
}

var pythonEntries = []string{"main.py", "app.py", "server.py", "wsgi.py", "asgi.py", "application.py", "run.py"}

// detectPython takes a tree with requirements.txt, pyproject.toml, Pipfile,
// manage.py, or a Python file with a usual name.
func detectPython(ctx context.Context, t *tree) (*plan, error) {
	found := firstOf(append([]string{"requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py"}, pythonEntries...), t.has)
	if found == "" {
		return nil, nil
	}
	if slices.Contains(pythonEntries, found) {
		if aside, err := t.scriptOfNode(ctx, found); aside || err != nil {
			return nil, err
		}
	}
	a := &pythonApp{t: t}
	if err := a.dependencies(ctx); err != nil {
		return nil, err
	}
	asks, err := a.asks(ctx)
	if err != nil {
		return nil, err
	}
	version, err := t.version("python", asks)
	if err != nil {
		return nil, err
	}
	argv, why, err := a.start(ctx)
	if err != nil {
		return nil, err
	}
	if a.assets, err = findAssets(ctx, t); err != nil {
		return nil, err
	}
	p := &plan{kind: "python", what: "Python " + version.line + ": " + found + " found", on: stackPrefix + "python:" + version.line}
	p.why = present("Python: "+found+" found, and no Dockerfile", version.why, a.why, why)
	p.warn = append(present(version.warn), a.warn...)
	p.why = append(p.why, sayTokens(a.tokens)...)
	if a.t.flag(noCollectStatic) {
		p.why = append(p.why, "static files are not collected: "+noCollectStatic+" in [build] args")
	}
	p.take(a.assets)
	p.omit = a.assets.omit(".venv", "venv", "**/__pycache__")
	if len(t.apt) == 0 {
		p.paths = []string{"/app"}
	}
	p.dockerfile = a.dockerfile(version.line, argv)
	return p, nil
}

// firstOf gives the first name for which is holds; "".
func firstOf(names []string, is func(string) bool) string {
	if i := slices.IndexFunc(names, is); i >= 0 {
		return names[i]
	}
	return ""
}

// wheels is the directory in the tree that has built packages; "" for none.
func (a *pythonApp) wheels() string {
	for _, dir := range []string{"vendor", "wheels", "wheelhouse", "vendor/wheels"} {
		for _, name := range a.t.in(dir) {
			if strings.HasSuffix(name, ".whl") {
				return dir
			}
		}
	}
	return ""
}

var (
	flaskApp  = regexp.MustCompile(`(?m)^(\w+)(?:\s*:\s*[\w.]+)?\s*=\s*(?:flask\.)?Flask\(`)
	asgiApp   = regexp.MustCompile(`(?m)^(\w+)(?:\s*:\s*[\w.]+)?\s*=\s*(?:\w+\.)?(?:FastAPI|Starlette|(Litestar|Quart))\(`)
	madeApp   = regexp.MustCompile(`(?m)^(app|application)(?:\s*:\s*[\w.]+)?\s*=\s*(?:\w+\.)*(?:create|make|get|build|init)\w*\(`)
	anyApp    = regexp.MustCompile(`(?m)^(app|application)(?:\s*:\s*[\w.]+)?\s*=\s*\w`)
	createApp = regexp.MustCompile(`(?m)^def (create_app|make_app)\(`)
	asgiNeeds = regexp.MustCompile(`\b(?:fastapi|starlette|litestar|quart)\b`)
)

// start finds what runs: what is declared, Django, an ASGI app, a WSGI app, a
// file with a usual name.
func (a *pythonApp) start(ctx context.Context) ([]string, string, error) {
	if a.t.web != "" {
		argv := commandOf(a.t.web)
		return argv, "start: the declared web process, " + deploy.Clean(strings.Join(argv, " "), 120), nil
	}
	argv, why, err := a.framework(ctx)
	if err != nil || argv != nil {
		return argv, why, err
	}
	if name := firstOf([]string{"streamlit_app.py", "app.py", "main.py"}, a.t.has); name != "" && strings.Contains(a.needs, "streamlit") {
		return []string{"streamlit", "run", name, "--server.address=0.0.0.0", "--server.port=8080", "--server.headless=true"}, "start: Streamlit, with " + name, nil
	}
	if name := firstOf(pythonEntries, a.t.has); name != "" {
		return []string{"python3", name}, "start: " + name + " found", nil
	}
	return nil, "", failure("Python found, but nothing that says how to start the app",
		`add a Procfile with "web: …", for instance web: gunicorn app:app`, nil, nil)
}

func (a *pythonApp) framework(ctx context.Context) ([]string, string, error) {
	if a.t.has("manage.py") {
		return a.django(ctx)
	}
	for _, name := range append(slices.Clone(pythonEntries), "app/main.py", "src/main.py", "app/__init__.py", "src/app.py") {
		if !a.t.has(name) {
			continue
		}
		text, err := a.t.readSmall(ctx, name)
		if err != nil {
			return nil, "", err
		}
		module := strings.TrimSuffix(strings.ReplaceAll(strings.TrimSuffix(name, ".py"), "/", "."), ".__init__")
		if m := asgiApp.FindStringSubmatch(text); m != nil && (m[2] == "" || a.wantUvicorn() == nil) {
			return asgi(module + ":" + m[1]), "start: an ASGI app in " + name + ", with uvicorn", a.wantUvicorn()
		}
		if m := flaskApp.FindStringSubmatch(text); m != nil {
			return wsgi(module + ":" + m[1]), "start: a Flask app in " + name + ", with gunicorn", a.wantGunicorn("Flask")
		}
		if argv, why, err := a.made(name, module, text); err != nil || argv != nil {
			return argv, why, err
		}
		if m := createApp.FindStringSubmatch(text); m != nil && strings.Contains(a.needs, "flask") {
			return wsgi(module + ":" + m[1] + "()"), "start: " + m[1] + "() in " + name + ", with gunicorn", a.wantGunicorn("Flask")
		}
	}
	return nil, "", nil
}

var (
	givenPort = regexp.MustCompile(`["']PORT["']`)
	// An address with :8080 is rather one that the app allows or asks.
	portOfTeal = regexp.MustCompile(`[=,(]\s*["']?8080\b|\b0\.0\.0\.0:8080\b`)
	everywhere = regexp.MustCompile(`\b0\.0\.0\.0\b|["']::["']|\(\s*(?:""|'')\s*,|\bserver_port\b`)
)

// servesItself tells of a script that is no module for a server: it goes by the port
// that it is given, or listens on 8080. On 127.0.0.1 alone, as frameworks do where
// they are told nothing, that is for the developer's machine. Gradio is
// told where by GRADIO_SERVER_NAME.
func servesItself(text string) bool {
	return givenPort.MatchString(text) || portOfTeal.MatchString(text) && everywhere.MatchString(text)
}

// made finds an app that a function makes: always in wsgi.py and asgi.py, which are
// there for servers, elsewhere where such a server is among the packages.
func (a *pythonApp) made(name, module, text string) ([]string, string, error) {
	base := path.Base(name)
	forServers := base == "wsgi.py" || base == "asgi.py"
	pattern := madeApp
	if forServers {
		pattern = anyApp
	}
	m := pattern.FindStringSubmatch(text)
	if m == nil || !forServers && servesItself(text) {
		return nil, "", nil
	}
	why := "start: " + m[1] + " in " + name
	switch {
	case strings.Contains(a.needs, "flask") && base != "asgi.py" && (forServers || a.wantGunicorn("") == nil):
		return wsgi(module + ":" + m[1]), why + ", with gunicorn", a.wantGunicorn("Flask")
	case asgiNeeds.MatchString(a.needs) && base != "wsgi.py" && a.wantUvicorn() == nil:
		return asgi(module + ":" + m[1]), why + ", with uvicorn", nil
	}
	return nil, "", nil
}

// wantGunicorn refuses to go on without the server: the framework's own one is for development.
func (a *pythonApp) wantGunicorn(framework string) error {
	if strings.Contains(a.needs, "gunicorn") {
		return nil
	}
	return failure(framework+" is run by gunicorn, which is not among the app's packages",
		"add gunicorn to requirements.txt (or to the Aptfile), or name another server in a Procfile", nil, nil)
}

// wantUvicorn does so for ASGI.
func (a *pythonApp) wantUvicorn() error {
	if strings.Contains(a.needs, "uvicorn") || withUvicorn.MatchString(a.needs) {
		return nil
	}
	return failure("an ASGI app is run by uvicorn, which is not among the app's packages",
		"add uvicorn to the app's packages (or to the Aptfile), or name another server in a Procfile", nil, nil)
}

// withUvicorn are packages that bring it.
var withUvicorn = regexp.MustCompile(`fastapi(?:-slim)?\[[^\]]*(?:standard|all)|starlette\[[^\]]*full`)

func wsgi(app string) []string {
	return []string{"gunicorn", "--bind=0.0.0.0:8080", "--worker-tmp-dir=/tmp", "--access-logfile=-", app}
}

func asgi(app string) []string {
	return []string{"uvicorn", app, "--host=0.0.0.0", "--port=8080"}
}

// dockerfile installs into a virtual environment in /app. Where the Aptfile has
// Debian's Python packages it is one of Debian's Python, which alone sees them.
func (a *pythonApp) dockerfile(line string, argv []string) string {
	on := stackPrefix + "python:" + line
	var d dockerfile
	python, build := "python3", a.t.apt
	if a.t.hasApt(languageOf("python").libraries) {
		python, build = "/usr/bin/python3", append([]string{"python3-venv"}, build...)
	}
	a.assets.stage(&d)
	d.add("FROM " + on + "-build AS build")
	d.install(build)
	d.add("ENV VIRTUAL_ENV=/app/.venv PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CERT=/"+bundlePath,
		"RUN "+python+" -m venv --system-site-packages /app/.venv")
	whole := a.files == nil && len(a.install) > 0
	if whole {
		d.add(a.assets.copy(""))
	} else if len(a.install) > 0 {
		if len(a.files) > 0 {
			d.add("COPY " + strings.Join(a.files, " ") + " ./")
		}
		if dir := a.wheels(); dir != "" {
			d.add("COPY " + dir + " " + dir)
		}
	}
	if whole {
		d.args(a.t.buildArgs())
	} else {
		d.args(a.t.installArgs())
	}
	for _, command := range a.install {
		d.withTokens(a.tokens, "pip", "/root/.cache/pip", command)
	}
	if static := a.collectStatic(); static != "" {
		if !whole {
			d.add(a.assets.copy(""))
			d.args(a.t.pageArgs())
		}
		d.add("RUN " + static)
		whole = true
	}
	d.add("", "FROM "+on)
	d.install(a.t.apt)
	if whole {
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	} else {
		d.add("COPY --from=build /app/.venv ./.venv", a.assets.copy("--chown=65532:65532 "))
	}
	d.run("ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/app/.venv/bin:$PATH"+a.searched(), argv)
	return d.String()
}

// searched has Python look for an app that is a package in src/: what lock files
// name is installed without the app itself.
func (a *pythonApp) searched() string {
	locked := firstOf([]string{"uv.lock", "poetry.lock", "pdm.lock"}, a.t.has) != "" && !a.t.has("requirements.txt")
	if !locked || !strings.Contains(a.needs, "[build-system]") || a.t.has("src/__init__.py") {
		return ""
	}
	for _, dir := range a.t.dirsIn("src") {
		if a.t.has(dir + "/__init__.py") {
			return " PYTHONPATH=/app/src"
		}
	}
	return ""
}
