package console

import (
	"context"
	"fmt"
	"time"

	"teal/deploy"
)

// step is one phase of a deployment on its page.
type step struct {
	Name   string
	Status string // "done", "now", "failed", "stopped", "todo"
	Word   string // the status for those who do not see the mark
	Took   string
	At     moment
}

// phase is a step before it was looked at.
type phase struct {
	name  string
	state deploy.State // that it begins with
	fails deploy.Step  // the failure that belongs to it
}

var phases = []phase{
	{"Queued", deploy.Queued, ""},
	{"Build", deploy.Building, deploy.StepBuild},
	{"Release command", deploy.Releasing, deploy.StepRelease},
	{"Start", deploy.Starting, deploy.StepStart},
	{"Probe", deploy.Probing, deploy.StepProbe},
	{"Staged", deploy.Staged, ""},
	{"Gradual", deploy.Shifting, deploy.StepGradual},
	{"Switch", deploy.Promoting, deploy.StepPromote},
	{"Drain", deploy.Draining, ""},
	{"Live", deploy.Live, ""},
}

// eventsKept is how far back the steps of a deployment are looked for.
const eventsKept = 500

// steps tells how far the deployment came, and when. The times are those of
// its events; where these are too old to be found, those of its record.
func (c *Console) steps(ctx context.Context, d deploy.Deployment) ([]step, error) {
	events, err := c.Store.Events(ctx, d.App, eventsKept)
	if err != nil {
		return nil, fmt.Errorf("cannot read the events of %s: %w", d.App, err)
	}
	entered := known(d)
	for _, e := range events { // newest first: the earliest entry wins
		if e.Deployment == d.ID && e.State != "" {
			entered[e.State] = e.At
		}
	}
	return c.stepper(d, entered), nil
}

// known are the times that the record itself holds.
func known(d deploy.Deployment) map[deploy.State]time.Time {
	at := map[deploy.State]time.Time{deploy.Queued: d.CreatedAt}
	if !d.PromotedAt.IsZero() {
		at[deploy.Promoting] = d.PromotedAt
	}
	if d.State.Ended() {
		at[d.State] = d.FinishedAt
	}
	return at
}

func (c *Console) stepper(d deploy.Deployment, entered map[deploy.State]time.Time) []step {
	shown := shownPhases(d, entered)
	reached := reachedPhase(d, shown, entered)
	var out []step
	for i, p := range shown {
		if d.State.Ended() && i > reached {
			break // it never came there
		}
		s := step{Name: p.name, Status: "todo", Word: "to come", At: c.moment(entered[p.state])}
		switch {
		case i < reached, i == reached && settledIn(d, p.state):
			s.Status, s.Word = "done", "done"
			s.Took = phaseTook(shown, i, entered)
		case i == reached && d.State == deploy.Failed:
			s.Status, s.Word = "failed", "failed"
			s.Took = between(entered[p.state], d.FinishedAt)
		case i == reached && d.State.Ended():
			s.Status, s.Word = "stopped", string(d.State)
			s.Took = between(entered[p.state], d.FinishedAt)
		case i == reached:
			s.Status, s.Word = "now", "under way"
			s.Took = between(entered[p.state], c.Now())
		}
		out = append(out, s)
	}
	return out
}

// shownPhases leaves out what such a deployment does not do.
func shownPhases(d deploy.Deployment, entered map[deploy.State]time.Time) []phase {
	var out []phase
	for _, p := range phases {
		_, seen := entered[p.state]
		failedThere := d.Failure != nil && p.fails != "" && d.Failure.Step == p.fails
		always := true
		switch p.state {
		case deploy.Building:
			always = !d.Cause.GoesBack() && d.Cause != deploy.CauseConfig
		case deploy.Releasing, deploy.Draining:
			always = false
		case deploy.Shifting:
			always = d.State == deploy.Shifting
		case deploy.Starting, deploy.Probing:
			// A previous color that still runs is not started again.
			always = !d.Cause.GoesBack() || !d.State.Committed()
		case deploy.Staged:
			always = d.Push.NoPromote
		case deploy.Promoting, deploy.Live:
			always = !d.State.Ended()
		}
		if always || seen || failedThere {
			out = append(out, p)
		}
	}
	return out
}

// reachedPhase is the index of the phase that the deployment is in, or ended in.
func reachedPhase(d deploy.Deployment, shown []phase, entered map[deploy.State]time.Time) int {
	reached := 0
	for i, p := range shown {
		_, seen := entered[p.state]
		switch {
		case d.Failure != nil && p.fails != "" && p.fails == d.Failure.Step:
			return i
		case p.state == d.State:
			return i
		case seen:
			reached = i
		case p.state == deploy.Live && (d.State == deploy.Warm || d.State == deploy.Asleep || d.State == deploy.Replaced):
			reached = i
		}
	}
	return reached
}

// settledIn tells whether the phase is an end: nothing is under way in it.
func settledIn(d deploy.Deployment, s deploy.State) bool {
	return d.State.Committed() && s == deploy.Live || d.State == deploy.Staged && s == deploy.Staged
}

// phaseTook is the time from a phase's beginning to that of the next one known.
func phaseTook(shown []phase, i int, entered map[deploy.State]time.Time) string {
	from := entered[shown[i].state]
	for _, next := range shown[i+1:] {
		if to, ok := entered[next.state]; ok {
			return between(from, to)
		}
	}
	return ""
}

func between(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return ""
	}
	if to.Sub(from) < time.Millisecond {
		return "< 1 ms"
	}
	return took(to.Sub(from))
}
