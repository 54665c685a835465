package console

import (
	"context"
	"net/http"

	"teal/deploy"
)

// entry is what it takes to come in.
type entry string

const (
	open     entry = "open"      // anybody
	signedIn entry = "signed in" // any user; the handler shows only what AppsOf gives him
	onApp    entry = "on app"    // Authorize says yes to the route's verb on {app}
)

// handler answers a visitor who was let in; fail makes a page of its error.
type handler func(w http.ResponseWriter, r *http.Request, v visit) error

// route is one URL with its check.
type route struct {
	pattern string
	entry   entry
	verb    deploy.Verb // for onApp
	handle  handler
	endless bool // an event stream: requestTime does not apply
}

func anybody(pattern string, h handler) route { return route{pattern: pattern, entry: open, handle: h} }

func anyUser(pattern string, h handler) route {
	return route{pattern: pattern, entry: signedIn, handle: h}
}

func mayView(pattern string, h handler) route {
	return route{pattern: pattern, entry: onApp, verb: deploy.VerbView, handle: h}
}

func mayDeploy(pattern string, h handler) route {
	return route{pattern: pattern, entry: onApp, verb: deploy.VerbDeploy, handle: h}
}

func endless(rt route) route {
	rt.endless = true
	return rt
}

// visit is who came in, and for what.
type visit struct {
	user deploy.User    // zero on open routes
	app  deploy.AppName // "" when the route names none
	// again repeats the check, for streams that outlive the moment they began.
	again func(ctx context.Context) error
}

// table is every URL there is.
func (c *Console) table() []route {
	return []route{
		anybody("GET /healthz", c.healthz),
		anybody("GET /static/{name}", c.static),
		anybody("GET /login", c.loginPage),
		anybody("POST /login", c.login),

		anyUser("/", c.nowhere),
		anyUser("POST /logout", c.logout),
		anyUser("GET /{$}", c.appsPage),
		endless(anyUser("GET /live", c.appsLive)),
		anyUser("GET /stats", c.statsPage),
		anyUser("GET /alerts", c.alertsPage),
		anyUser("GET /events", c.eventsPage),

		mayView("GET /apps/{app}", c.appPage),
		endless(mayView("GET /apps/{app}/live", c.appLive)),
		mayView("GET /apps/{app}/deployments/{id}", c.deploymentPage),
		endless(mayView("GET /apps/{app}/deployments/{id}/stream", c.logStream)),
		mayView("GET /apps/{app}/deployments/{id}/log.txt", c.logText),

		mayDeploy("GET /apps/{app}/restart", c.restartPage),
		mayDeploy("POST /apps/{app}/restart", c.restart),
		mayDeploy("POST /apps/{app}/promote", c.promote),
		mayDeploy("POST /apps/{app}/cancel", c.cancel),
		mayDeploy("POST /apps/{app}/redeploy", c.redeploy),
		mayDeploy("POST /apps/{app}/patch", c.patch),
	}
}

func (c *Console) healthz(w http.ResponseWriter, _ *http.Request, _ visit) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("ok\n"))
	return err
}

func (c *Console) nowhere(_ http.ResponseWriter, _ *http.Request, _ visit) error {
	return deploy.ErrNotFound
}
