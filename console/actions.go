package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"teal/deploy"
)

// actionTime bounds what a button waits for the engine.
const actionTime = 30 * time.Second

// act asks the engine, and leads to the deployment that came of it. A browser
// that goes away does not undo what its person decided.
func (c *Console) act(w http.ResponseWriter, r *http.Request, v visit, do func(context.Context) (deploy.Deployment, error)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTime)
	defer cancel()
	d, err := do(ctx)
	if err != nil {
		return err
	}
	c.Log.Info("console action", "app", v.app, "user", v.user.Name, "action", r.URL.Path, "deployment", d.ID)
	http.Redirect(w, r, deploymentPath(d.App, d.ID), http.StatusSeeOther)
	return nil
}

func (c *Console) promote(w http.ResponseWriter, r *http.Request, v visit) error {
	staged, err := formNumber(r, "staged")
	if err != nil {
		return err
	}
	p, err := c.look(r.Context(), v.app)
	if err != nil {
		return err
	}
	if d, ok := p.shifting(); p.app.Staged != staged && (!ok || d.Release != staged) {
		return c.changed(v.app, fmt.Sprintf("You were about to promote %s, which does not wait for it any more.", deploy.ReleaseName(staged)), "")
	}
	return c.act(w, r, v, func(ctx context.Context) (deploy.Deployment, error) {
		return c.Engine.Promote(ctx, v.app, v.user.Name)
	})
}

func (c *Console) cancel(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := formNumber(r, "deployment")
	if err != nil {
		return err
	}
	p, err := c.look(r.Context(), v.app)
	if err != nil {
		return err
	}
	if d, ok := p.cancelable(); !ok || d.ID != deploy.DeploymentID(id) {
		return c.changed(v.app, fmt.Sprintf("Deployment %d is not under way any more, or it is past the point of return.", id), "")
	}
	return c.act(w, r, v, func(ctx context.Context) (deploy.Deployment, error) {
		return c.Engine.Cancel(ctx, v.app, deploy.DeploymentID(id), v.user.Name)
	})
}

func (c *Console) redeploy(w http.ResponseWriter, r *http.Request, v visit) error {
	live, err := formNumber(r, "live")
	if err != nil {
		return err
	}
	app, err := c.Store.App(r.Context(), v.app)
	if err != nil {
		return err
	}
	if app.Live != live {
		return c.changed(v.app, fmt.Sprintf("You were about to build the commit of %s again. By now %s serves.",
			deploy.ReleaseName(live), deploy.ReleaseName(app.Live)), "")
	}
	return c.act(w, r, v, func(ctx context.Context) (deploy.Deployment, error) {
		return c.Engine.Redeploy(ctx, v.app, deploy.Options{}, v.user.Name)
	})
}

func (c *Console) patch(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.act(w, r, v, func(ctx context.Context) (deploy.Deployment, error) {
		return c.Engine.Patch(ctx, v.app)
	})
}

// formNumber reads a number that the page's own form carries.
func formNumber(r *http.Request, name string) (int, error) {
	if err := parseForm(r); err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(r.PostForm.Get(name))
	if err != nil || n < 0 {
		return 0, &problem{Status: http.StatusBadRequest, Title: "That form is not complete", Text: "It does not say which " + name + " it means. Nothing was done."}
	}
	return n, nil
}
