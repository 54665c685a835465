package commands

import (
	"context"
	"fmt"
	"time"

	"teal/deploy"
)

var alertsRow = command{
	name: "alerts", scope: self, json: true,
	short:    "failures that people are told of: waiting and sent",
	long:     "Those of the apps that you may see. One failure is one alert, however often it is tried.",
	options:  []option{{name: "lines", short: "n", value: "N", help: "of the last N alerts of this Teal (100)"}},
	examples: []string{"alerts", "alerts --json"},
	run:      runAlerts,
}

type alertDocument struct {
	ID         int64      `json:"id"`
	Channel    string     `json:"channel"`
	State      string     `json:"state"`
	App        string     `json:"app"`
	Deployment int64      `json:"deployment"`
	Step       string     `json:"step"`
	Reason     string     `json:"reason"`
	Commit     string     `json:"commit"`
	Attempts   int        `json:"attempts"`
	LastError  string     `json:"last_error"`
	CreatedAt  *time.Time `json:"created_at"`
	NextAt     *time.Time `json:"next_at"`
	DoneAt     *time.Time `json:"done_at"`
}

func runAlerts(ctx context.Context, j *job) error {
	n, err := j.flags.number("lines", 100, 1, 1000)
	if err != nil {
		return j.usage("%s", err)
	}
	all, err := j.deliveries(ctx, n)
	if err != nil {
		return err
	}
	if j.flags.on("json") {
		docs := []alertDocument{}
		for _, d := range all {
			docs = append(docs, alertOf(d))
		}
		return j.document(map[string]any{"mail_set": j.MailSet, "alerts": docs})
	}
	if !j.MailSet {
		j.remark("No mail server is set: alerts stand here, in the console and in the log of teal only.")
	}
	if len(all) == 0 {
		j.say("No alerts. Sleep well.")
		return nil
	}
	t := j.rows("WHEN", "APP", "WHAT", "CHANNEL", "STATE")
	for _, d := range all {
		t.add(j.ago(d.CreatedAt), string(d.Alert.App),
			aboutOf(d.Alert),
			d.Channel, j.progress(d))
	}
	t.end()
	return nil
}

// aboutOf says what an alert is about.
func aboutOf(a deploy.Alert) string {
	if a.Certificate != nil || a.News != "" {
		return deploy.Clean(a.Failure.Reason, 100)
	}
	if a.Cron != nil {
		return fmt.Sprintf("scheduled command %s: %s", deploy.Clean(a.Cron.Name, 40), deploy.Clean(a.Failure.Reason, 60))
	}
	return fmt.Sprintf("deployment %d, %s: %s", a.Deployment, a.Failure.Step, deploy.Clean(a.Failure.Reason, 60))
}

// deliveries gives those whose app the user may see.
func (j *job) deliveries(ctx context.Context, n int) ([]deploy.Delivery, error) {
	all, err := j.Store.Deliveries(ctx, n)
	if err != nil || j.user.Admin {
		return all, err
	}
	apps, err := j.Store.AppsOf(ctx, j.user.Name)
	if err != nil {
		return nil, err
	}
	mine := map[deploy.AppName]bool{}
	for _, a := range apps {
		mine[a.Name] = true
	}
	var seen []deploy.Delivery
	for _, d := range all {
		if mine[d.Alert.App] {
			seen = append(seen, d)
		}
	}
	return seen, nil
}

func stateOf(d deploy.Delivery) string {
	switch {
	case d.GaveUp:
		return "gave up"
	case d.DoneAt.IsZero():
		return "waiting"
	}
	return "sent"
}

// progress says how far a delivery is, and what keeps it.
func (j *job) progress(d deploy.Delivery) string {
	switch s := stateOf(d); {
	case s == "sent":
		return "sent " + j.ago(d.DoneAt)
	case s == "gave up":
		return fmt.Sprintf("gave up after %s: %s", tries(d.Attempts), deploy.Clean(d.LastError, 80))
	case d.Attempts > 0:
		return fmt.Sprintf("waiting, %s failed: %s", tries(d.Attempts), deploy.Clean(d.LastError, 80))
	}
	return "waiting"
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

func alertOf(d deploy.Delivery) alertDocument {
	f := d.Alert.Failure
	return alertDocument{
		ID: d.ID, Channel: d.Channel, State: stateOf(d), App: string(d.Alert.App), Deployment: int64(d.Alert.Deployment),
		Step: string(f.Step), Reason: f.Reason, Commit: d.Alert.Commit.ID, Attempts: d.Attempts, LastError: d.LastError,
		CreatedAt: stamp(d.CreatedAt), NextAt: stamp(d.NextAt), DoneAt: stamp(d.DoneAt),
	}
}
