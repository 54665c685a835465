package console

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"teal/deploy"
)

// appView is the page of one app.
type appView struct {
	App       deploy.AppName
	Path      string
	URL       string
	Panels    []panel
	Away      string // notice: the container engine does not answer
	MayDeploy bool

	Live     int // what the forms name, so that nothing else is done
	Previous string
	Staged   int
	StagedV  string
	Pinned   bool
	Busy     *row // what is under way
	Cancel   *row // what "cancel" would end

	History []row
	Older   string // URL of the next page of the history; "": none
	Newer   bool   // this is not the first page

	Domains   []string
	Shown     []certificateView
	Crons     []cronView
	Env       []string // names only
	Branch    string
	Patch     string // "off", a cron expression, "" for the server's default
	NextPatch moment
	Remote    string
	SSH       string
	Prints    []string
}

// certificateView is what TLS shows for one of the app's hosts.
type certificateView struct {
	Host, Text string
	Bad        bool // a person should look at it
}

func (c *Console) appPage(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := c.look(r.Context(), v.app)
	if err != nil {
		return err
	}
	body := c.appView(p)
	body.MayDeploy = c.mayDeploy(r.Context(), v)
	body.Crons = c.crons(r.Context(), v.app)
	if err := c.history(r, p, &body); err != nil {
		return err
	}
	return c.render(w, r, v, "app", http.StatusOK, page{
		Title: appTitle(p), Nav: "apps", Live: body.Path + "/live", Body: body,
	})
}

// appTitle tells the state to a browser tab that is not looked at.
func appTitle(p picture) string {
	name := string(p.app.Name)
	if d, ok := p.underWay(); ok {
		return "◌ " + name + " " + string(d.State)
	}
	if p.app.Live == 0 {
		return name
	}
	return "● " + name + " " + deploy.ReleaseName(p.app.Live)
}

func (c *Console) appView(p picture) appView {
	a := p.app
	out := appView{
		App: a.Name, Path: appPath(a.Name), URL: call(c.ProductionURL, a.Name), Panels: c.panels(p), Away: p.away,
		Live: a.Live, Staged: a.Staged, Pinned: a.PatchPinned,
		Env: slices.Sorted(maps.Keys(a.Env)), Branch: deploy.Clean(a.Branch, nameLimit), Patch: deploy.Clean(a.PatchSchedule, nameLimit),
		Remote: call(c.GitRemote, a.Name), SSH: c.SSHHint, Prints: c.HostFingerprints,
	}
	for _, d := range a.Domains {
		out.Domains = append(out.Domains, deploy.Clean(d, 253))
	}
	if c.Certificates != nil {
		for _, cert := range c.Certificates(a.Name) {
			out.Shown = append(out.Shown, certificateView{
				Host: deploy.Clean(cert.Host, 253), Text: cert.Text(c.Now()), Bad: !cert.ValidAt(c.Now()) || cert.Scarce(c.Now()) || cert.Error != "",
			})
		}
	}
	for i, key := range out.Env {
		out.Env[i] = deploy.Clean(key, nameLimit)
	}
	if a.Previous != 0 {
		out.Previous = deploy.ReleaseName(a.Previous)
	}
	if d, ok := p.shifting(); ok && a.Staged == 0 {
		out.Staged, out.StagedV = d.Release, deploy.ReleaseName(d.Release)+" now"
	}
	if a.Staged != 0 {
		out.StagedV = deploy.ReleaseName(a.Staged)
	}
	if d, ok := p.underWay(); ok {
		one := c.row(d)
		out.Busy = &one
	}
	if d, ok := p.cancelable(); ok {
		one := c.row(d)
		out.Cancel = &one
	}
	if c.Config.NextPatch != nil {
		if at, ok := c.Config.NextPatch(a.Name); ok {
			out.NextPatch = c.moment(at)
		}
	}
	return out
}

// history fills the page's part of the list of deployments.
func (c *Console) history(r *http.Request, p picture, body *appView) error {
	list := p.recent
	if before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64); err == nil && before > 0 {
		body.Newer = true
		list, err = c.Store.Deployments(r.Context(), p.app.Name, deploy.DeploymentID(before), historyPage+1)
		if err != nil {
			return fmt.Errorf("cannot read the deployments of %s: %w", p.app.Name, err)
		}
	}
	if len(list) > historyPage {
		list = list[:historyPage]
		body.Older = fmt.Sprintf("%s?before=%d#history", body.Path, list[historyPage-1].ID)
	}
	for _, d := range list {
		body.History = append(body.History, c.row(d))
	}
	return nil
}
