package console

import (
	"fmt"

	"teal/deploy"
)

// stateView is a deployment's state as a chip: the word says it, the tone
// (shape and color) repeats it.
type stateView struct {
	Word string
	Tone string // "busy", "wait", "live", "past", "bad", "off"
}

func viewState(s deploy.State) stateView {
	switch s {
	case deploy.Live:
		return stateView{"live", "live"}
	case deploy.Staged:
		return stateView{"staged", "wait"}
	case deploy.Warm:
		return stateView{"replaced, warm", "past"}
	case deploy.Asleep:
		return stateView{"replaced, asleep", "past"}
	case deploy.Replaced:
		return stateView{"replaced", "past"}
	case deploy.Failed:
		return stateView{"failed", "bad"}
	case deploy.Canceled, deploy.Superseded:
		return stateView{string(s), "off"}
	}
	return stateView{string(s), "busy"}
}

// row is a deployment in a list.
type row struct {
	ID      deploy.DeploymentID
	Path    string
	What    string // "push to main", "restart of v13" (without the number when Release has it)
	Commit  string
	Subject string
	By      string
	Release string
	Color   deploy.Color
	State   stateView
	Took    string
	When    moment
	Note    string
	Failure string // "probe answered 500"
}

func (c *Console) row(d deploy.Deployment) row {
	out := row{
		ID: d.ID, Path: deploymentPath(d.App, d.ID), What: what(d),
		Commit: deploy.Clean(d.Push.Commit.Short(), 7), Subject: subject(d.Push.Commit.Subject),
		By: by(d), State: viewState(d.State),
		Took: took(d.Duration(c.Now())), When: c.moment(d.CreatedAt), Note: deploy.Clean(d.Note, 200),
	}
	if !d.State.Ended() {
		out.Color = d.Color // an attempt that ended left nothing there
	}
	if d.Release != 0 {
		out.Release = deploy.ReleaseName(d.Release)
	}
	if d.Failure != nil {
		out.Failure = deploy.Clean(d.Failure.Error(), 200)
	}
	return out
}

// what says what the deployment did, in words for the history.
func what(d deploy.Deployment) string {
	switch d.Cause {
	case deploy.CausePush:
		if ref := shortRef(d.Push.Ref); ref != "" {
			return "push to " + ref
		}
	case deploy.CauseRollback:
		if d.Release != 0 {
			return "restart of" // the release follows
		}
		return "restart of " + deploy.ReleaseName(d.Target)
	case deploy.CauseWatch:
		if d.Release != 0 {
			return "return by the watch to"
		}
		return "return by the watch to " + deploy.ReleaseName(d.Target)
	case deploy.CauseConfig:
		return "new environment"
	}
	return deploy.Clean(string(d.Cause), nameLimit)
}

// by says who asked for it. A security patch has no author.
func by(d deploy.Deployment) string {
	switch {
	case d.By != "":
		return deploy.Clean(d.By, nameLimit)
	case d.Cause == deploy.CausePatch:
		return "no author"
	}
	return "Teal"
}

// deploymentTitle is "Deployment 42".
func deploymentTitle(id deploy.DeploymentID) string { return fmt.Sprintf("Deployment %d", id) }
