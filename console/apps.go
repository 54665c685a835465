package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"teal/deploy"
)

// appsView is the first page: every app that the visitor may see.
type appsView struct {
	Apps         []appCard
	MayCreate    bool
	SSH          string // command line to reach Teal
	Remote       string // example of a git remote; "": not known
	Fingerprints []string
}

// appCard is one app in the list.
type appCard struct {
	Name     deploy.AppName
	Path     string
	URL      string
	Host     string // of URL, without scheme
	Color    deploy.Color
	Release  string
	Commit   string
	Subject  string
	Since    moment
	Last     *row // the newest deployment; nil: none yet
	InFlight int
	Requests uint64
	Failed   uint64
	Staged   string // "v15" when one waits for "promote", and Last does not say so
}

func (c *Console) appsPage(w http.ResponseWriter, r *http.Request, v visit) error {
	apps, err := c.Store.AppsOf(r.Context(), v.user.Name)
	if err != nil {
		return fmt.Errorf("cannot list the apps of %s: %w", v.user.Name, err)
	}
	body := appsView{MayCreate: v.user.MayCreate || v.user.Admin, SSH: c.SSHHint, Fingerprints: c.HostFingerprints, Remote: call(c.GitRemote, "shop")}
	for _, app := range apps {
		card, err := c.card(r, app)
		if err != nil {
			return err
		}
		body.Apps = append(body.Apps, card)
	}
	return c.render(w, r, v, "apps", http.StatusOK, page{Title: "Apps", Nav: "apps", Live: "/live", Body: body})
}

func (c *Console) card(r *http.Request, app deploy.App) (appCard, error) {
	out := appCard{Name: app.Name, Path: appPath(app.Name), Color: app.Active, URL: call(c.ProductionURL, app.Name), Since: c.moment(app.ReplacedAt)}
	_, out.Host, _ = strings.Cut(out.URL, "://")
	out.Host = strings.TrimSuffix(out.Host, "/")
	if app.Live != 0 {
		out.Release = deploy.ReleaseName(app.Live)
		rel, err := c.Store.Release(r.Context(), app.Name, app.Live)
		if err != nil && !errors.Is(err, deploy.ErrNotFound) {
			return out, fmt.Errorf("cannot read release %s of %s: %w", out.Release, app.Name, err)
		}
		out.Commit, out.Subject = deploy.Clean(rel.Commit.Short(), 7), subject(rel.Commit.Subject)
		f := c.figures(app.Name, app.Live)
		out.InFlight, out.Requests, out.Failed = f.InFlight, f.Requests, f.Failed
	}
	last, err := c.Store.Deployments(r.Context(), app.Name, 0, 1)
	if err != nil {
		return out, fmt.Errorf("cannot read the deployments of %s: %w", app.Name, err)
	}
	if len(last) > 0 {
		one := c.row(last[0])
		out.Last = &one
	}
	if app.Staged != 0 && (len(last) == 0 || last[0].State != deploy.Staged) {
		out.Staged = deploy.ReleaseName(app.Staged)
	}
	return out, nil
}
