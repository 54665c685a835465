package notify

import (
	"fmt"
	"time"

	"teal/deploy"
)

// returned tells whether the alert is about a release that was live and that
// Teal has gone back from: no deployment failed then, and production did change.
func returned(a deploy.Alert) bool {
	r := a.Failure.Regression
	return a.Failure.Step == deploy.StepWatch && r != nil && a.ServingV != r.New.Release
}

// describeReturn puts it into words.
func (c Config) describeReturn(a deploy.Alert, f *facts) {
	bad, reason := deploy.ReleaseName(a.Failure.Regression.New.Release), deploy.Clean(a.Failure.Reason, 150)
	f.Title = fmt.Sprintf("%s: Teal went back from %s to %s", a.App, bad, deploy.ReleaseName(a.ServingV))
	f.Subject = deploy.Clean(fmt.Sprintf("[teal] %s: went back from %s to %s: %s", a.App, bad, deploy.ReleaseName(a.ServingV), reason), 250)
	f.Effect = fmt.Sprintf("%s. %s %s serves again, since %s.", reason, a.Serving, deploy.ReleaseName(a.ServingV), c.clock(a.ServingSince))
	f.Episode = "One mail each time that Teal goes back by itself."
}

// nextAfterReturn lists what to do, the likeliest first.
func (c Config) nextAfterReturn(a deploy.Alert) []step {
	ssh := func(words string) string { return deploy.Clean(c.SSHHint, 200) + " " + words }
	bad := deploy.ReleaseName(a.Failure.Regression.New.Release)
	steps := []step{
		{Text: "Mend it and push again", Command: "git push teal main"},
		{Text: "See the figures of the switch", Command: ssh(fmt.Sprintf("receipt %s %d", a.App, a.Deployment))},
		{Text: fmt.Sprintf("If %s was right after all, bring it back; it is not watched then", bad), Command: ssh(fmt.Sprintf("restart-previous %s", a.App))},
	}
	if link := c.link(a); link != "" {
		steps = append(steps, step{Text: "Look at it in the console", Link: link})
	}
	return steps
}

// figures shows what was compared.
func (f *facts) figures(r *deploy.Regression) {
	if r == nil {
		return
	}
	f.add(deploy.ReleaseName(r.New.Release), r.New.String())
	old := deploy.ReleaseName(r.Old.Release)
	if r.Share == 100 {
		f.add(old, r.Old.String()+", in the minutes before")
	} else {
		f.add(old, r.Old.String()+", at the same time")
		f.add("Share", fmt.Sprintf("%d %% of the requests", r.Share))
	}
	f.add("After", r.After.Round(time.Second).String())
}
