package builder

import (
	"context"
	"path"
	"regexp"
	"strings"
)

var djangoApp = regexp.MustCompile(`(?m)^\s*(WSGI|ASGI)_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']`)

// django finds the project's module by its settings. Channels, for WebSockets, are
// answered by an ASGI server alone.
func (a *pythonApp) django(ctx context.Context) ([]string, string, error) {
	type application struct{ name, where string } // "shop.wsgi:application"
	found := map[string]application{}             // by "WSGI" or "ASGI"
	for _, name := range a.t.paths {
		if path.Base(name) != "settings.py" && !strings.Contains(name, "/settings/") {
			continue
		}
		text, err := a.t.readSmall(ctx, name)
		if err != nil {
			return nil, "", err
		}
		for _, m := range djangoApp.FindAllStringSubmatch(text, -1) {
			if _, there := found[m[1]]; !there {
				found[m[1]] = application{m[2] + ":" + m[3], name}
			}
		}
	}
	channels := strings.Contains(a.needs, "channels")
	if app, ok := found["ASGI"]; ok && a.hasASGI() && (channels || found["WSGI"].name == "" || !strings.Contains(a.needs, "gunicorn")) {
		argv, server := a.djangoASGI(app.name)
		return argv, "start: Django, ASGI_APPLICATION in " + app.where + ", with " + server, nil
	} else if ok && channels {
		a.warn = append(a.warn, "channels is among the packages, and no server that answers its WebSockets: add daphne or uvicorn to them")
	}
	if app, ok := found["WSGI"]; ok {
		return wsgi(app.name), "start: Django, WSGI_APPLICATION in " + app.where + ", with gunicorn", a.wantGunicorn("Django")
	}
	if name := firstOf(a.t.paths, func(p string) bool { return path.Base(p) == "wsgi.py" }); name != "" {
		module := strings.ReplaceAll(strings.TrimSuffix(name, ".py"), "/", ".")
		return wsgi(module + ":application"), "start: Django, " + name + ", with gunicorn", a.wantGunicorn("Django")
	}
	return nil, "", failure("manage.py found, but neither WSGI_APPLICATION in a settings.py nor a wsgi.py",
		`add a Procfile with "web: gunicorn PROJECT.wsgi"`, nil, nil)
}

func (a *pythonApp) hasASGI() bool {
	return strings.Contains(a.needs, "daphne") || strings.Contains(a.needs, "uvicorn")
}

func (a *pythonApp) djangoASGI(app string) (argv []string, server string) {
	if strings.Contains(a.needs, "daphne") {
		return []string{"daphne", "--bind=0.0.0.0", "--port=8080", app}, "daphne"
	}
	return asgi(app), "uvicorn"
}

// collectStatic gathers Django's static files, as Heroku does, when the app has a place for them.
func (a *pythonApp) collectStatic() string {
	if !a.t.has("manage.py") || !strings.Contains(a.needs, "whitenoise") || a.t.flag(noCollectStatic) {
		return ""
	}
	return a.t.standIns("SECRET_KEY=not-a-secret", "DJANGO_SECRET_KEY=not-a-secret", "DATABASE_URL=sqlite:///:memory:") + "python3 manage.py collectstatic --noinput"
}

// noCollectStatic leaves it out: Heroku's name.
const noCollectStatic = "DISABLE_COLLECTSTATIC"
