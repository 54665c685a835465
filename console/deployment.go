package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"teal/deploy"
)

// deploymentView is the page of one deployment.
type deploymentView struct {
	Row       row
	App       deploy.AppName
	AppPath   string
	Author    string
	CommitID  string
	Replaces  string
	Steps     []step
	Failure   *failureView
	Receipt   *receiptView
	Changes   []changeView // of a security patch
	Log       logView
	Running   bool
	Serves    string // "blue v13": what production answers with now
	Committed bool

	MayDeploy bool
	Cancel    bool
	Promote   int    // staged release that may be promoted
	Undo      string // "v13": this is live, and that would come back
	Bring     int    // release of this deployment, kept and not live: may come back
	BringName string
}

// failureView is why it did not become live.
type failureView struct {
	Title  string   // "build failed: no Dockerfile"
	Hint   []string // lines
	Log    []string
	Serves string // "blue v13"; "" when nothing does
	Still  bool   // it served already when this failed
}

// receiptView is the proof of the switch.
type receiptView struct {
	Requests, Failed uint64
	Clean            bool // nothing failed, nothing was cut
	P99Old, P99New   string
	Drained, Cut     int
	Sockets          int
	Times            []timing
	Image            string
}

// timing is one time of the receipt.
type timing struct{ Name, Took string }

// deploymentOf reads the deployment that the URL names. One of another app is
// not found: the check was made for the app in the URL.
func (c *Console) deploymentOf(r *http.Request, v visit) (deploy.Deployment, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return deploy.Deployment{}, fmt.Errorf("deployment: %w", deploy.ErrNotFound)
	}
	d, err := c.Store.Deployment(r.Context(), deploy.DeploymentID(id))
	if err != nil {
		return deploy.Deployment{}, fmt.Errorf("deployment %d: %w", id, err)
	}
	if d.App != v.app {
		return deploy.Deployment{}, fmt.Errorf("deployment %d of %s: %w", id, v.app, deploy.ErrNotFound)
	}
	return d, nil
}

func (c *Console) deploymentPage(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := c.deploymentOf(r, v)
	if err != nil {
		return err
	}
	body, err := c.deploymentView(r, d)
	if err != nil {
		return err
	}
	body.MayDeploy = c.mayDeploy(r.Context(), v)
	mark := map[string]string{"busy": "◌", "live": "●", "bad": "✕", "wait": "◐"}[body.Row.State.Tone]
	title := strings.TrimSpace(fmt.Sprintf("%s %s %s · %s", mark, v.app, body.Row.State.Word, deploymentTitle(d.ID)))
	return c.render(w, r, v, "deployment", http.StatusOK, page{Title: title, Nav: "apps", Reload: body.Running, Body: body})
}

func (c *Console) deploymentView(r *http.Request, d deploy.Deployment) (deploymentView, error) {
	ctx := r.Context()
	app, err := c.Store.App(ctx, d.App)
	if err != nil {
		return deploymentView{}, fmt.Errorf("app %s: %w", d.App, err)
	}
	out := deploymentView{
		Row: c.row(d), App: d.App, AppPath: appPath(d.App), Running: d.State.Running(), Committed: d.State.Committed(),
		Author: author(d.Push.Commit.Author), CommitID: deploy.Clean(d.Push.Commit.ID, 40), Serves: serves(app),
		Failure: viewFailure(d, app), Receipt: viewReceipt(d), Changes: viewChanges(d.Changes),
	}
	if d.Replaces != 0 {
		out.Replaces = deploy.ReleaseName(d.Replaces)
	}
	if out.Steps, err = c.steps(ctx, d); err != nil {
		return out, err
	}
	if out.Log, err = c.logView(ctx, d, lastSeen(r)); err != nil {
		return out, err
	}
	return out, c.offers(ctx, d, app, &out)
}

// offers says which buttons make sense.
func (c *Console) offers(ctx context.Context, d deploy.Deployment, app deploy.App, out *deploymentView) error {
	out.Cancel = d.State == deploy.Staged || d.State.Running() && !d.State.Committed()
	if d.State == deploy.Staged && app.Staged == d.Release || d.State == deploy.Shifting {
		out.Promote = d.Release
	}
	switch {
	case d.Release == 0:
	case app.Live == d.Release:
		if app.Previous != 0 && !out.Running {
			out.Undo = deploy.ReleaseName(app.Previous)
		}
	case d.State.Committed():
		r, err := c.Store.Release(ctx, d.App, d.Release)
		if err != nil && !errors.Is(err, deploy.ErrNotFound) {
			return fmt.Errorf("cannot read release %s of %s: %w", deploy.ReleaseName(d.Release), d.App, err)
		}
		if err == nil && !r.Gone {
			out.Bring, out.BringName = d.Release, r.Name()
		}
	}
	return nil
}

// serves says what production answers with: "blue v13".
func serves(app deploy.App) string {
	if app.Live == 0 {
		return ""
	}
	return string(app.Active) + " " + deploy.ReleaseName(app.Live)
}

func viewFailure(d deploy.Deployment, app deploy.App) *failureView {
	f := d.Failure
	if f == nil {
		return nil
	}
	out := &failureView{Title: deploy.Clean(f.Error(), 400), Serves: serves(app), Still: !app.ReplacedAt.After(d.FinishedAt)}
	for l := range strings.Lines(f.Hint) {
		out.Hint = append(out.Hint, deploy.Clean(strings.TrimRight(l, "\r\n"), 400))
	}
	for _, l := range f.Log {
		out.Log = append(out.Log, line(l))
	}
	return out
}

// changeView is a package in which a security patch differs.
type changeView struct {
	Name, Old, New string
	Security       bool
	CVEs           []string
}

func viewChanges(changes []deploy.Change) (out []changeView) {
	for _, c := range changes {
		v := changeView{Name: deploy.Clean(c.Name, 120), Old: deploy.Clean(c.Old, 80), New: deploy.Clean(c.New, 80), Security: c.Security}
		for _, id := range c.CVEs {
			v.CVEs = append(v.CVEs, deploy.Clean(id, 30))
		}
		out = append(out, v)
	}
	return out
}

func viewReceipt(d deploy.Deployment) *receiptView {
	rc := d.Receipt
	if rc == nil {
		return nil
	}
	out := &receiptView{
		Requests: rc.Requests, Failed: rc.Failed, Clean: rc.Failed == 0 && rc.Cut == 0,
		P99Old: millis(rc.P99Old), P99New: millis(rc.P99New),
		Drained: rc.Drained, Cut: rc.Cut, Sockets: rc.Sockets, Image: deploy.Clean(rc.Image, 100),
	}
	for _, t := range []timing{
		{"build", took(seconds(rc.Build))},
		{"start", took(seconds(rc.Start))},
		{"probe", took(seconds(rc.Probe))},
		{"switch", millis(rc.Switch)},
		{"drain", took(seconds(rc.Drain))},
		{"Teal's own", millis(rc.Overhead)},
	} {
		if t.Took != "" && t.Took != "–" {
			out.Times = append(out.Times, t)
		}
	}
	return out
}
