package notify

import (
	"fmt"
	"strings"
	"time"

	"teal/deploy"
)

// facts are the words of one alert, cleaned and put together, in the order in
// which a person wants them. Both parts of the mail and the webhook are made of them.
type facts struct {
	Subject string // one line, fit for a header
	Title   string // "shop: deploy of 3f2a1bc failed: probe answered 500"
	Effect  string // what it means for production: the first thing a reader asks
	Rows    []row
	Hint    string
	Log     []string
	Next    []step
	Server  string
	Episode string // why no second mail comes
	Good    bool   // it is no failure
}

type row struct{ Name, Value string }

// step is something to do, and what to type or open for it.
type step struct {
	Text, Command, Link string
}

const (
	logLines = 40  // shown of the failure's log
	logWidth = 400 // runes of one line
)

// describe puts an alert into words.
func (c Config) describe(a deploy.Alert) facts {
	if a.Certificate != nil {
		return c.describeCertificate(a)
	}
	if a.Cron != nil {
		return c.describeCron(a)
	}
	if a.News != "" {
		return c.describeNews(a)
	}
	what := action(a)
	reason := deploy.Clean(a.Failure.Reason, 100)
	if a.Failure.Step == deploy.StepRelease { // "exit code 1" does not say of what
		reason = deploy.Clean(fmt.Sprintf("%s: %s", a.Failure.Step, a.Failure.Reason), 100)
	}
	f := facts{
		Subject: deploy.Clean(fmt.Sprintf("[teal] %s: %s failed: %s (%s)", a.App, what, reason, serving(a)), 250),
		Title:   fmt.Sprintf("%s: %s failed: %s", a.App, what, reason),
		Effect:  c.effect(a),
		Hint:    deploy.Clean(a.Failure.Hint, 600),
		Server:  deploy.Clean(c.ServerName, 100),
		Next:    c.next(a),
		Episode: "One mail per failure: when the same commit fails again, no other is sent.",
	}
	if returned(a) {
		c.describeReturn(a, &f)
	}
	f.add("Phase", deploy.Clean(string(a.Failure.Step), 40))
	f.figures(a.Failure.Regression)
	if whole := deploy.Clean(a.Failure.Reason, 600); !strings.HasSuffix(reason, whole) {
		f.add("Reason", whole)
	}
	if a.Commit.ID != "" {
		f.add("Commit", deploy.Clean(a.Commit.Short(), 7)+"  "+deploy.Clean(a.Commit.Subject, 200))
		f.add("Author", deploy.Clean(a.Commit.Author, 120))
	}
	switch branch := deploy.Clean(strings.TrimPrefix(a.Ref, "refs/heads/"), 100); {
	case a.Cause == deploy.CausePatch:
		f.add("Started by", "the patch schedule")
	case a.Cause == deploy.CauseWatch:
		f.add("Deployed by", deploy.Clean(a.Pusher, 60))
	case a.Cause == deploy.CausePush && branch != "":
		f.add("Pushed by", deploy.Clean(a.Pusher, 60)+", to "+branch)
	default:
		f.add("Started by", deploy.Clean(a.Pusher, 60))
	}
	f.changes(a.Changes)
	f.add("When", c.clock(a.At))
	f.add("Deployment", fmt.Sprint(a.Deployment))
	for _, line := range a.Failure.Log[max(0, len(a.Failure.Log)-logLines):] {
		f.Log = append(f.Log, deploy.Clean(line, logWidth))
	}
	return f
}

func (f *facts) add(name, value string) {
	if strings.TrimSpace(value) != "" {
		f.Rows = append(f.Rows, row{name, value})
	}
}

// action names what was tried: "deploy of 3f2a1bc".
func action(a deploy.Alert) string {
	name := map[deploy.Cause]string{
		deploy.CausePush:     "deploy of",
		deploy.CausePatch:    "security patch of",
		deploy.CauseRollback: "rollback to",
		deploy.CauseWatch:    "return to",
		deploy.CauseRedeploy: "redeploy of",
		deploy.CauseConfig:   "new configuration of",
	}[a.Cause]
	if name == "" {
		name = deploy.Clean(string(a.Cause), 40) + " of"
	}
	if a.Commit.ID == "" {
		return strings.TrimSuffix(strings.TrimSuffix(name, " of"), " to")
	}
	return name + " " + deploy.Clean(a.Commit.Short(), 7)
}

func serving(a deploy.Alert) string {
	if a.ServingV == 0 {
		return "nothing serves yet"
	}
	return fmt.Sprintf("%s %s still serves", a.Serving, deploy.ReleaseName(a.ServingV))
}

func (c Config) effect(a deploy.Alert) string {
	if a.ServingV == 0 {
		return "Nothing serves yet: no version of " + string(a.App) + " was ever promoted."
	}
	since := ""
	if !a.ServingSince.IsZero() {
		since = ", since " + c.clock(a.ServingSince)
	}
	return fmt.Sprintf("Production was not switched: %s%s.", serving(a), since)
}

// next lists what to do, the likeliest first.
func (c Config) next(a deploy.Alert) []step {
	if returned(a) {
		return c.nextAfterReturn(a)
	}
	ssh := func(words string) string { return deploy.Clean(c.SSHHint, 200) + " " + words }
	redeploy := ssh(fmt.Sprintf("redeploy %s", a.App))
	back := ssh(fmt.Sprintf("restart-previous %s", a.App))
	var steps []step
	switch a.Cause {
	case deploy.CausePush:
		branch := strings.TrimPrefix(a.Ref, "refs/heads/")
		if !plainRef(branch) {
			branch = "main"
		}
		steps = append(steps, step{Text: "Mend it and push again", Command: "git push teal " + branch})
	case deploy.CausePatch:
		steps = append(steps, step{Text: "Teal leaves these updates alone for a while; to try again now", Command: ssh(fmt.Sprintf("patch %s --now", a.App))})
	case deploy.CauseRollback, deploy.CauseWatch:
		steps = append(steps, step{Text: "Try it again", Command: back})
	default:
		steps = append(steps, step{Text: "Mend it and try again", Command: redeploy})
	}
	steps = append(steps, step{Text: "Read the whole log", Command: ssh(fmt.Sprintf("logs %s --deployment %d", a.App, a.Deployment))})
	if a.ServingV > 1 && !a.Cause.GoesBack() {
		steps = append(steps, step{Text: fmt.Sprintf("If %s is no good either, go back one version", deploy.ReleaseName(a.ServingV)), Command: back})
	}
	if link := c.link(a); link != "" {
		steps = append(steps, step{Text: "Look at it in the console", Link: link})
	}
	return steps
}

func (c Config) link(a deploy.Alert) string {
	if c.ConsoleURL == nil {
		return ""
	}
	return deploy.Clean(c.ConsoleURL(a.App, a.Deployment), 500)
}

// plainRef tells whether a branch can be pasted into a shell as it is: names of
// branches may hold quotes, dollars and semicolons.
func plainRef(branch string) bool {
	for _, r := range branch {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._/-", r) {
			return false
		}
	}
	return branch != "" && branch[0] != '-' && len(branch) <= 100
}

func (c Config) clock(t time.Time) string {
	zone := c.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Mon 2 Jan 2006 15:04 MST")
}
