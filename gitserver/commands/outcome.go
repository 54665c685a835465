package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal/deploy"
)

// isOver tells whether err is that of a context that ended.
func isOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// see follows a deployment that was begun and tells how it came out; with
// --detach it says how to follow it.
func (j *job) see(ctx context.Context, d deploy.Deployment, last int) error {
	if j.flags.on("detach") {
		j.say("Deployment %d of %s is %s.", d.ID, d.App, d.State)
		j.remark("next: %s", j.Hint.Command("logs", "-f", string(d.App)))
		return nil
	}
	d, err := j.follow(ctx, d.ID, last)
	if err != nil {
		return err
	}
	return j.outcome(ctx, d)
}

// outcome tells in words what became of a deployment. The error is how it
// failed, for the exit code.
func (j *job) outcome(ctx context.Context, d deploy.Deployment) error {
	name := fmt.Sprintf("%s of %s", deploy.ReleaseName(d.Release), d.App)
	switch d.State {
	case deploy.Promoting, deploy.Draining, deploy.Live:
		j.say("%s is live on %s: %s", name, d.Color, j.URL(string(d.App)))
		if d.Receipt != nil {
			j.say("%s", proof(*d.Receipt))
		}
		if d.Note != "" && d.Cause != deploy.CausePush {
			j.say("Note: %s", deploy.Clean(d.Note, 400))
		}
		return nil
	case deploy.Warm, deploy.Asleep, deploy.Replaced:
		j.say("%s was live on %s, and was replaced since.", name, d.Color)
		return nil
	case deploy.Staged:
		j.say("%s waits on the preview: %s", name, j.PreviewURL(string(d.App)))
		j.remark("next: %s", j.Hint.Command("promote", string(d.App)))
		return nil
	case deploy.Failed:
		return j.failed(ctx, d)
	case deploy.Canceled, deploy.Superseded:
		return j.ended(ctx, d)
	}
	return trouble(ExitBusy, fmt.Sprintf("deployment %d of %s is still %s", d.ID, d.App, d.State),
		j.Hint.Command("logs", "-f", string(d.App)))
}

func (j *job) failed(ctx context.Context, d deploy.Deployment) error {
	reason, next := "for a reason that was not recorded", ""
	if d.Failure != nil {
		reason, next = d.Failure.Reason, d.Failure.Hint
	}
	if next == "" {
		next = j.Hint.Command("logs", string(d.App), "--deployment", fmt.Sprint(d.ID))
	}
	return trouble(ExitFailed, fmt.Sprintf("%s failed: %s (%s)", attempt(d), reason, j.still(ctx, d.App)), next)
}

// ended tells of a deployment that was not let finish. A patch run that found
// nothing to patch ends so too, and has done what it should.
func (j *job) ended(ctx context.Context, d deploy.Deployment) error {
	if d.Cause == deploy.CausePatch && d.State == deploy.Canceled && !strings.HasPrefix(d.Note, "canceled") {
		j.say("%s is up to date: %s", d.App, deploy.Clean(d.Note, 200))
		return nil
	}
	why := d.Note
	if why == "" {
		why = string(d.State)
	}
	next := j.Hint.Command("deployments", string(d.App))
	if d.State == deploy.Superseded {
		next = j.Hint.Command("logs", "-f", string(d.App))
	}
	return trouble(ExitFailed, fmt.Sprintf("%s did not go live: %s (%s)", attempt(d), why, j.still(ctx, d.App)), next)
}

// attempt names a deployment: "deploy of 3f2a1bc", "rollback to v13".
func attempt(d deploy.Deployment) string {
	switch d.Cause {
	case deploy.CausePush:
		return "deploy of " + d.Push.Commit.Short()
	case deploy.CauseRollback:
		return "rollback to " + deploy.ReleaseName(d.Target)
	case deploy.CauseWatch:
		return "return to " + deploy.ReleaseName(d.Target)
	case deploy.CauseConfig:
		return "deploy of the new config"
	}
	return fmt.Sprintf("%s of %s", d.Cause, d.Push.Commit.Short())
}

// still says what answers production after a deployment that did not make it.
func (j *job) still(ctx context.Context, app deploy.AppName) string {
	a, err := j.Store.App(ctx, app)
	switch {
	case err != nil:
		return "what served before still serves"
	case a.Live == 0:
		return "nothing serves yet"
	}
	return fmt.Sprintf("%s %s still serves", a.Active, deploy.ReleaseName(a.Live))
}

// proof is the receipt in one line.
func proof(r deploy.Receipt) string {
	s := fmt.Sprintf("switched in %.1f ms: %s requests meanwhile, %s failed", r.Switch, thousands(r.Requests), thousands(r.Failed))
	if r.P99Old > 0 && r.P99New > 0 {
		s += fmt.Sprintf("; p99 %.1f ms before, %.1f ms after", r.P99Old, r.P99New)
	}
	return s
}
