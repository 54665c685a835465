package console

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"teal/deploy"
)

// Bounds of logs.
const (
	logPage  = 3000 // lines that a page shows at once
	logChunk = 1000 // lines read from the store at once
	logBurst = 256  // lines written to a stream before they are flushed
)

// logLine is a line as the page and the stream show it.
type logLine struct {
	N    int    `json:"n"`
	Time string `json:"time"` // "09:03:12", UTC
	Text string `json:"text"`
}

func viewLine(l deploy.LogLine) logLine {
	return logLine{N: l.N, Time: l.At.UTC().Format("15:04:05"), Text: line(l.Text)}
}

// logView is the log on a deployment's page.
type logView struct {
	Lines  []logLine
	Stream string // URL of the rest, while the deployment is under way
	Last   int    // number of the last line shown
	More   string // URL of the page with the next lines; "": these are all
	Text   string // URL of all lines as a file
}

func (c *Console) logView(ctx context.Context, d deploy.Deployment, after int) (logView, error) {
	path := deploymentPath(d.App, d.ID)
	view := logView{Last: after, Text: path + "/log.txt"}
	lines, err := c.Store.Log(ctx, d.ID, after, logPage+1)
	if err != nil {
		return view, fmt.Errorf("cannot read the log: %w", err)
	}
	more := len(lines) > logPage
	if more {
		lines = lines[:logPage]
	}
	for _, l := range lines {
		view.Lines = append(view.Lines, viewLine(l))
		view.Last = l.N
	}
	switch {
	case d.State.Running():
		view.Stream = path + "/stream"
	case more:
		view.More = fmt.Sprintf("%s?after=%d#log", path, view.Last)
	}
	return view, nil
}

// logText gives the whole log as a file.
func (c *Console) logText(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := c.deploymentOf(r, v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`inline; filename="%s-%d.log"`, d.App, d.ID))
	b := bufio.NewWriter(w)
	err = c.eachLine(r.Context(), d.ID, 0, func(l deploy.LogLine) bool {
		_, err := fmt.Fprintf(b, "%s  %s\n", l.At.UTC().Format(time.RFC3339), line(l.Text))
		return err == nil
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// eachLine gives the stored lines after a number until f says no.
func (c *Console) eachLine(ctx context.Context, id deploy.DeploymentID, after int, f func(deploy.LogLine) bool) error {
	for {
		lines, err := c.Store.Log(ctx, id, after, logChunk)
		if err != nil {
			return fmt.Errorf("cannot read the log: %w", err)
		}
		for _, l := range lines {
			if !f(l) {
				return nil
			}
			after = l.N
		}
		if len(lines) < logChunk {
			return nil
		}
	}
}

// follower sends one deployment's log to one browser, each line once.
type follower struct {
	c    *Console
	out  *sse
	id   deploy.DeploymentID
	last int // number of the last line sent
}

// logStream sends the lines after Last-Event-ID (or ?after=) as they come, a
// "changed" for each event of the deployment, and "end" when it has settled.
func (c *Console) logStream(w http.ResponseWriter, r *http.Request, v visit) error {
	d, err := c.deploymentOf(r, v)
	if err != nil {
		return err
	}
	events := c.subscribe(v.app)
	if events == nil {
		return deploy.ErrStopping
	}
	defer events.Close()
	// Watched before the store is read, so that no line falls between the two.
	live := c.watch(d.ID)
	if live != nil {
		defer live.Close()
	}
	out, leave, err := c.openStream(w, v.user.Name)
	if err != nil {
		return err
	}
	defer leave()
	f := &follower{c: c, out: out, id: d.ID, last: lastSeen(r)}
	f.catchUp(r.Context())
	if live == nil {
		f.finish(r.Context())
		return nil
	}
	f.follow(r.Context(), v, live, events.C)
	return nil
}

func (f *follower) follow(ctx context.Context, v visit, live *tap[deploy.LogLine], events <-chan deploy.Event) {
	beat, over := time.NewTicker(f.c.beat), time.NewTimer(streamLife)
	defer beat.Stop()
	defer over.Stop()
	for f.out.err == nil {
		select {
		case l, ok := <-live.C:
			if !ok {
				if !live.Dropped() {
					f.catchUp(ctx)
					f.finish(ctx)
				}
				return
			}
			f.burst(ctx, l, live.C)
		case ev, ok := <-events:
			if !ok {
				return // the browser connects again, and says where it was
			}
			if ev.Deployment == f.id {
				f.out.send("changed", 0, changed{ev.App, ev.Deployment, ev.State})
			}
		case <-beat.C:
			if v.again(ctx) != nil {
				return
			}
			f.out.raw(": beat\n\n")
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
		f.out.flush()
	}
}

// burst sends a line and those that wait behind it.
func (f *follower) burst(ctx context.Context, l deploy.LogLine, more <-chan deploy.LogLine) {
	for range logBurst {
		if l.N > f.last+1 {
			f.catchUp(ctx) // a watcher gets the last 1,000 lines, there may be earlier ones
		}
		f.line(l)
		select {
		case next, ok := <-more:
			if !ok {
				return // the next receive of follow sees it closed
			}
			l = next
		default:
			return
		}
	}
	f.line(l)
}

// line sends a line unless it was sent.
func (f *follower) line(l deploy.LogLine) bool {
	if l.N > f.last {
		f.last = l.N
		f.out.send("line", l.N, viewLine(l))
	}
	return f.out.err == nil
}

// catchUp sends what the store has beyond the last line sent.
func (f *follower) catchUp(ctx context.Context) {
	if err := f.c.eachLine(ctx, f.id, f.last, f.line); err != nil && ctx.Err() == nil {
		f.c.Log.Warn("console cannot send a log", "deployment", f.id, "error", err)
	}
	f.out.flush()
}

// finish tells the page that no line follows. While the deployment still runs
// (it waits for its turn, or settles just now) nothing is told: the browser
// connects again.
func (f *follower) finish(ctx context.Context) {
	d, err := f.c.Store.Deployment(ctx, f.id)
	if err != nil || d.State.Running() {
		return
	}
	f.out.send("end", 0, changed{d.App, d.ID, d.State})
	f.out.flush()
}

// lastSeen is the number of the last line that the browser has.
func lastSeen(r *http.Request) int {
	s := r.Header.Get("Last-Event-ID")
	if s == "" {
		s = r.URL.Query().Get("after")
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
