package notify

import (
	"fmt"
	"strings"

	"teal/deploy"
)

// changeRows is how many packages a mail lists one by one.
const changeRows = 20

// describeNews puts what is no failure into words: updates that wait for
// somebody's decision, and a security patch that went live.
func (c Config) describeNews(a deploy.Alert) facts {
	reason := deploy.Clean(a.Failure.Reason, 150)
	serves := fmt.Sprintf("%s %s", a.Serving, deploy.ReleaseName(a.ServingV))
	ssh := func(words string) string { return deploy.Clean(c.SSHHint, 200) + " " + words }
	f := facts{Server: deploy.Clean(c.ServerName, 100), Good: true}
	switch a.News {
	case deploy.NewsPatched:
		f.Subject = fmt.Sprintf("[teal] %s: %s (%s serves)", a.App, reason, serves)
		f.Title = fmt.Sprintf("%s: security patch is live", a.App)
		f.Effect = fmt.Sprintf("%s serves, since %s.", serves, c.clock(a.ServingSince))
		f.Episode = "teal.toml of the app has [patch] tell = true."
		f.Next = []step{{Text: "If it is no good, go back; patches then wait for the next push", Command: ssh(fmt.Sprintf("restart-previous %s", a.App))}}
	default:
		f.Subject = fmt.Sprintf("[teal] %s: %s", a.App, reason)
		f.Title = fmt.Sprintf("%s: updates wait for you", a.App)
		f.Effect = fmt.Sprintf("%s serves as before: teal.toml has [patch] mode = \"notify\".", serves)
		f.Episode = "One mail for these updates; the next when there are others."
		f.Next = []step{
			{Text: "See all of them", Command: ssh(fmt.Sprintf("patch %s --dry-run", a.App))},
			{Text: "Deploy them", Command: ssh(fmt.Sprintf("patch %s --now", a.App))},
		}
	}
	f.Subject = deploy.Clean(f.Subject, 250)
	f.add("What", deploy.Clean(a.Failure.Reason, 600))
	if a.Commit.ID != "" {
		f.add("Commit", deploy.Clean(a.Commit.Short(), 7)+"  "+deploy.Clean(a.Commit.Subject, 200))
	}
	f.changes(a.Changes)
	f.add("When", c.clock(a.At))
	if link := c.link(a); link != "" && a.Deployment != 0 {
		f.Next = append(f.Next, step{Text: "Look at it in the console", Link: link})
	}
	return f
}

// changes lists packages, with the holes that they close.
func (f *facts) changes(all []deploy.Change) {
	for _, change := range all[:min(changeRows, len(all))] {
		text := change.String()
		switch {
		case len(change.CVEs) > 3:
			text += fmt.Sprintf("; closes %d CVEs, %s first", len(change.CVEs), change.CVEs[0])
		case len(change.CVEs) > 0:
			text += "; closes " + strings.Join(change.CVEs, ", ")
		case change.Security:
			text += "; security"
		}
		f.add("Update", deploy.Clean(text, 200))
	}
	if more := len(all) - changeRows; more > 0 {
		f.add("Update", fmt.Sprintf("%d more", more))
	}
}
