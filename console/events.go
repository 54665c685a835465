package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"teal/deploy"
)

// Bounds of the page of events.
const (
	eventsEach  = 100 // per app
	eventsShown = 200
)

// eventRow is one event.
type eventRow struct {
	App     deploy.AppName
	AppPath string
	Path    string // of the deployment; "": it is about the app
	State   *stateView
	By      string
	Text    string
	When    moment
}

// eventsPage shows what happened lately to the apps that the visitor may see.
// They are asked for one by one: a busy app that he may not see can't crowd out his.
func (c *Console) eventsPage(w http.ResponseWriter, r *http.Request, v visit) error {
	seen, err := c.visible(r, v)
	if err != nil {
		return err
	}
	var all []deploy.Event
	for app := range seen {
		events, err := c.Store.Events(r.Context(), app, eventsEach)
		if err != nil {
			return fmt.Errorf("cannot read the events of %s: %w", app, err)
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b deploy.Event) int { return cmp.Compare(b.ID, a.ID) })
	all = all[:min(len(all), eventsShown)]
	rows := make([]eventRow, 0, len(all))
	for _, e := range all {
		rows = append(rows, c.eventRow(e))
	}
	return c.render(w, r, v, "events", http.StatusOK, page{Title: "Events", Nav: "events", Live: "/live", Body: rows})
}

func (c *Console) eventRow(e deploy.Event) eventRow {
	out := eventRow{App: e.App, AppPath: appPath(e.App), By: deploy.Clean(e.By, nameLimit), Text: deploy.Clean(e.Text, 300), When: c.moment(e.At)}
	if e.Deployment != 0 {
		out.Path = deploymentPath(e.App, e.Deployment)
	}
	if e.State != "" {
		s := viewState(e.State)
		if s.Tone == "busy" {
			s.Tone = "past" // it was, when this was written
		}
		out.State = &s
	}
	return out
}
