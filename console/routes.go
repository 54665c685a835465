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

// route is one URL with its check.
type route struct {
	pattern string
	entry   entry
	verb    deploy.Verb // for onApp
	handle  func(w http.ResponseWriter, r *http.Request, v visit) error
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
		{"GET /healthz", open, "", c.healthz},
		{"GET /static/{name}", open, "", c.static},
		{"GET /login", open, "", c.loginPage},
		{"POST /login", open, "", c.login},
		{"/", open, "", c.nowhere},

		{"POST /logout", signedIn, "", c.logout},
		{"GET /{$}", signedIn, "", c.appsPage},
		{"GET /live", signedIn, "", c.appsLive},
		{"GET /alerts", signedIn, "", c.alertsPage},
		{"GET /events", signedIn, "", c.eventsPage},

		{"GET /apps/{app}", onApp, deploy.VerbView, c.appPage},
		{"GET /apps/{app}/live", onApp, deploy.VerbView, c.appLive},
		{"GET /apps/{app}/deployments/{id}", onApp, deploy.VerbView, c.deploymentPage},
		{"GET /apps/{app}/deployments/{id}/stream", onApp, deploy.VerbView, c.logStream},
		{"GET /apps/{app}/deployments/{id}/log.txt", onApp, deploy.VerbView, c.logText},

		{"GET /apps/{app}/restart", onApp, deploy.VerbDeploy, c.restartPage},
		{"POST /apps/{app}/restart", onApp, deploy.VerbDeploy, c.restart},
		{"POST /apps/{app}/promote", onApp, deploy.VerbDeploy, c.promote},
		{"POST /apps/{app}/cancel", onApp, deploy.VerbDeploy, c.cancel},
		{"POST /apps/{app}/redeploy", onApp, deploy.VerbDeploy, c.redeploy},
		{"POST /apps/{app}/patch", onApp, deploy.VerbDeploy, c.patch},
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
