package console

import (
	"fmt"
	"net/http"

	"teal/deploy"
)

// deliveriesKept is how far back the outbox is shown.
const deliveriesKept = 200

// alertsView is the outbox of alerts.
type alertsView struct {
	Summary string
	Rows    []deliveryRow
}

// deliveryRow is one alert on one channel.
type deliveryRow struct {
	App      deploy.AppName
	Path     string // of the deployment
	Title    string // "probe answered 500"
	Commit   string
	Channel  string
	State    stateView
	Attempts int
	Error    string
	Next     moment // the next try; zero when there is none
	When     moment
}

func (c *Console) alertsPage(w http.ResponseWriter, r *http.Request, v visit) error {
	seen, err := c.visible(r, v)
	if err != nil {
		return err
	}
	all, err := c.Store.Deliveries(r.Context(), deliveriesKept)
	if err != nil {
		return fmt.Errorf("cannot read the outbox: %w", err)
	}
	body := alertsView{Summary: c.AlertsSummary}
	for _, d := range all {
		if seen[d.Alert.App] || d.Alert.App == "" && v.user.Admin { // the server's own
			body.Rows = append(body.Rows, c.deliveryRow(d))
		}
	}
	return c.render(w, r, v, "alerts", http.StatusOK, page{Title: "Alerts", Nav: "alerts", Body: body})
}

func (c *Console) deliveryRow(d deploy.Delivery) deliveryRow {
	out := deliveryRow{
		App: d.Alert.App, Path: deploymentPath(d.Alert.App, d.Alert.Deployment),
		Title:  deploy.Clean(d.Alert.Failure.Error(), 200),
		Commit: deploy.Clean(d.Alert.Commit.Short(), 7), Channel: deploy.Clean(d.Channel, 20),
		Attempts: d.Attempts, Error: deploy.Clean(d.LastError, 300), When: c.moment(d.CreatedAt),
	}
	switch {
	case d.Alert.News != "":
		out.Title = deploy.Clean(d.Alert.Failure.Reason, 200)
		if d.Alert.Deployment == 0 {
			out.Path = appPath(d.Alert.App)
		}
	case d.Alert.Certificate != nil || d.Alert.Cron != nil:
		out.Path, out.Title = "", deploy.Clean(d.Alert.Failure.Reason, 200)
		if d.Alert.Cron != nil {
			out.Title = deploy.Clean("scheduled command "+d.Alert.Cron.Name+": "+d.Alert.Failure.Reason, 200)
		}
		if d.Alert.App != "" {
			out.Path = appPath(d.Alert.App)
		}
	}
	switch {
	case d.GaveUp:
		out.State = stateView{"given up", "bad"}
	case !d.DoneAt.IsZero():
		out.State, out.Error = stateView{"delivered", "live"}, ""
	case d.Attempts > 0:
		out.State, out.Next = stateView{"trying again", "wait"}, c.moment(d.NextAt)
	default:
		out.State = stateView{"waiting", "busy"}
	}
	return out
}

// visible is the set of apps that the visitor may see.
func (c *Console) visible(r *http.Request, v visit) (map[deploy.AppName]bool, error) {
	apps, err := c.Store.AppsOf(r.Context(), v.user.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot list the apps of %s: %w", v.user.Name, err)
	}
	seen := map[deploy.AppName]bool{}
	for _, a := range apps {
		seen[a.Name] = true
	}
	return seen, nil
}
