package notify

import (
	"fmt"
	"time"

	"teal/deploy"
)

// PayloadCron is the run of a scheduled command of a Payload.
type PayloadCron struct {
	Name     string    `json:"name"`
	Schedule string    `json:"schedule"`
	Release  int       `json:"release"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Outcome  string    `json:"outcome"` // "failed", "timeout"
	Exit     int       `json:"exit"`
}

func cronOf(r deploy.CronRecord) *PayloadCron {
	return &PayloadCron{
		Name: deploy.Clean(r.Name, 60), Schedule: deploy.Clean(r.Schedule, 120), Release: r.Release,
		Began: r.Begun.UTC(), Ended: r.Ended.UTC(), Outcome: string(r.Outcome), Exit: r.Exit.Code,
	}
}

// describeCron puts an alert about a scheduled command into words.
func (c Config) describeCron(a deploy.Alert) facts {
	r := *a.Cron
	name := deploy.Clean(r.Name, 60)
	reason := deploy.Clean(a.Failure.Reason, 100)
	f := facts{
		Subject: deploy.Clean(fmt.Sprintf("[teal] %s: scheduled command %s failed: %s", a.App, name, reason), 250),
		Title:   fmt.Sprintf("%s: scheduled command %s failed: %s", a.App, name, reason),
		Effect:  "Production is not touched by it. It is run again at its next time.",
		Hint:    deploy.Clean(a.Failure.Hint, 600),
		Server:  deploy.Clean(c.ServerName, 100),
		Episode: "One mail per row of failures: the next comes after it ran well again, or with another commit.",
	}
	f.add("Command", name)
	f.add("Schedule", deploy.Clean(r.Schedule, 120))
	f.add("Release", fmt.Sprintf("%s on %s", deploy.ReleaseName(r.Release), r.Color))
	f.add("Began", c.clock(r.Begun))
	f.add("Took", r.Ended.Sub(r.Begun).Round(100*time.Millisecond).String())
	if a.Commit.ID != "" {
		f.add("Commit", deploy.Clean(a.Commit.Short(), 7)+"  "+deploy.Clean(a.Commit.Subject, 200))
		f.add("Author", deploy.Clean(a.Commit.Author, 120))
	}
	for _, line := range a.Failure.Log[max(0, len(a.Failure.Log)-logLines):] {
		f.Log = append(f.Log, deploy.Clean(line, logWidth))
	}
	ssh := func(words string) string {
		return deploy.Clean(c.SSHHint, 200) + " cron " + string(a.App) + " " + words
	}
	f.Next = []step{
		{Text: "Run it now and look on", Command: ssh("run " + name)},
		{Text: "Read its last output", Command: ssh("--log " + name)},
	}
	return f
}
