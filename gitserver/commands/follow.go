package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/deploy"
)

const (
	// patience is how long after the switch a command waits for the end of the
	// drain, and so for the receipt.
	patience = 45 * time.Second
	// pollEvery is how often the store is asked when there is no feed.
	pollEvery = 250 * time.Millisecond
	// logPage is how many lines are read from the store at once.
	logPage = 1000
)

// feed is a log as it is written.
type feed struct {
	lines <-chan deploy.LogLine // closed when there will be no more, or the reader was too slow
	close func()
}

func watchOf(e Engine) func(deploy.DeploymentID) *feed {
	return func(id deploy.DeploymentID) *feed {
		w := e.Watch(id)
		if w == nil {
			return nil
		}
		return &feed{lines: w.C, close: w.Close}
	}
}

// viewer prints a deployment's log, each line once and in order.
type viewer struct {
	*job
	id   deploy.DeploymentID
	last int // number of the last line that was printed or is not wanted
}

// follow prints the log of a deployment after line number last until the
// deployment has settled, and returns it as it then is. When ctx ends first,
// only the watching ends.
func (j *job) follow(ctx context.Context, id deploy.DeploymentID, last int) (deploy.Deployment, error) {
	v := &viewer{job: j, id: id, last: last}
	settled, leave := j.await(ctx, id)
	defer leave()
	for {
		if feed := j.watch(id); feed != nil {
			if err := v.copy(ctx, feed, settled); err != nil {
				return deploy.Deployment{}, j.left(id, err)
			}
		}
		// What the feed did not bring: it was too slow, or there was none.
		if err := v.catchUp(ctx, 0); err != nil {
			return deploy.Deployment{}, j.left(id, err)
		}
		select {
		case <-settled.over:
			if settled.err != nil {
				return deploy.Deployment{}, j.left(id, settled.err)
			}
			return settled.deployment, v.catchUp(ctx, 0)
		case <-time.After(pollEvery):
		}
	}
}

// end is how waiting for a deployment came out; to be read once over is closed.
type end struct {
	over       chan struct{}
	deployment deploy.Deployment
	err        error
}

// await waits for the deployment in a goroutine of its own, which has ended
// when leave returns.
func (j *job) await(ctx context.Context, id deploy.DeploymentID) (e *end, leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	e = &end{over: make(chan struct{})}
	go func() {
		defer close(e.over)
		defer func() {
			if p := recover(); p != nil {
				e.err = fmt.Errorf("cannot wait for deployment %d: %s", id, deploy.PanicText(p))
			}
		}()
		e.deployment, e.err = j.Engine.Wait(ctx, id, patience)
	}()
	return e, func() {
		cancel()
		<-e.over
	}
}

// left says that only the watching ended, when that is so.
func (j *job) left(id deploy.DeploymentID, err error) error {
	if !isOver(err) && !errors.Is(err, errGone) {
		return err
	}
	return trouble(ExitBusy, fmt.Sprintf("stopped watching; deployment %d goes on", id),
		j.Hint.Command("logs", "-f", string(j.app.Name))).because(err)
}

// copy prints what the feed brings until it closes. Once the deployment has
// settled or the patience is over, it gives the last lines a moment.
func (v *viewer) copy(ctx context.Context, feed *feed, settled *end) error {
	defer feed.close()
	over, late := settled.over, (<-chan time.Time)(nil)
	for {
		select {
		case l, open := <-feed.lines:
			if !open {
				return nil
			}
			if err := v.take(ctx, l); err != nil {
				return err
			}
		case <-over:
			over, late = nil, time.After(pollEvery)
		case <-late:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take prints a line of the feed, and before it those that the feed began too
// late to bring.
func (v *viewer) take(ctx context.Context, l deploy.LogLine) error {
	if l.N > v.last+1 {
		if err := v.catchUp(ctx, l.N); err != nil {
			return err
		}
	}
	if l.N <= v.last {
		return nil
	}
	return v.print(l)
}

// catchUp prints what the store has after the last line, before the line
// numbered before (0: all).
func (v *viewer) catchUp(ctx context.Context, before int) error {
	for {
		lines, err := v.Store.Log(ctx, v.id, v.last, logPage)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if before != 0 && l.N >= before {
				return nil
			}
			if err := v.print(l); err != nil {
				return err
			}
		}
		if len(lines) < logPage {
			return nil
		}
	}
}

func (v *viewer) print(l deploy.LogLine) error {
	v.last = l.N
	if _, err := fmt.Fprintln(v.Stdout, line(l.Text)); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// lastLine gives the number of the line after which a deployment's log has n
// lines; with n 0 that of its last line.
func (j *job) lastLine(ctx context.Context, id deploy.DeploymentID, n int) (int, error) {
	last, total := 0, []int{}
	for {
		lines, err := j.Store.Log(ctx, id, last, logPage)
		if err != nil {
			return 0, err
		}
		for _, l := range lines {
			last = l.N
			total = append(total, l.N)
		}
		if len(lines) < logPage {
			break
		}
	}
	if n >= len(total) {
		return 0, nil
	}
	if n == 0 {
		return last, nil
	}
	return total[len(total)-n-1], nil
}
