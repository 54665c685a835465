package console

import (
	"context"
	"fmt"
	"time"

	"teal/deploy"
)

// cronView is one scheduled command of an app.
type cronView struct {
	Name, Schedule string
	Next, Last     moment
	State          stateView
	Reason         string
}

// crons gives the app's scheduled commands. What can't be read is left out: the
// page is of use without it.
func (c *Console) crons(ctx context.Context, app deploy.AppName) []cronView {
	table, err := c.Engine.CronTable(ctx, app)
	if err != nil {
		c.Log.Warn("cannot read the scheduled commands", "app", app, "error", err)
		return nil
	}
	var out []cronView
	for _, e := range table {
		v := cronView{Name: deploy.Clean(e.Name, nameLimit), Schedule: deploy.Clean(e.Schedule, 120), Reason: deploy.Clean(e.Last.Reason, 300)}
		if c.NextCron != nil {
			if at, ok := c.NextCron(e); ok {
				v.Next = c.moment(at)
			}
		}
		if !e.Last.Begun.IsZero() {
			v.Last, v.State = c.moment(e.Last.Begun), cronState(e.Last)
		}
		out = append(out, v)
	}
	return out
}

func cronState(r deploy.CronRecord) stateView {
	took := r.Ended.Sub(r.Begun).Round(100 * time.Millisecond)
	switch {
	case r.Running():
		return stateView{"runs", "busy"}
	case r.Outcome == deploy.CronOK:
		return stateView{fmt.Sprintf("ok in %s", took), "live"}
	case r.Outcome == deploy.CronCanceled:
		return stateView{"cut short", "wait"}
	default:
		return stateView{fmt.Sprintf("%s after %s", r.Outcome, took), "bad"}
	}
}
