package gitserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"teal/deploy"
)

// batch is how much of a log is put into one packet. A build that writes 50 MB
// a second must not cost a packet a line.
const batch = 32 << 10

// outcome is what Engine.Wait said.
type outcome struct {
	d   deploy.Deployment
	err error
}

// follow streams the deployment's log to the pusher until it is decided, and
// returns how. The deployment waits for it a second at most, in all: the engine
// drops a watcher that does not keep up, as one does whose client was stopped
// with ctrl-Z.
func (p *push) follow(ctx context.Context, d deploy.Deployment) (deploy.Deployment, error) {
	ctx, cancel := context.WithCancel(ctx)
	decided := make(chan outcome, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				p.s.log.Error("waiting for a deployment panicked", "app", d.App, "deployment", d.ID, "error", deploy.PanicText(r), "stack", string(debug.Stack()))
				decided <- outcome{err: errInternal}
			}
		}()
		end, err := p.s.engine.Wait(ctx, d.ID, p.s.limits.Patience)
		decided <- outcome{end, err}
	}()
	log := p.watch(d)
	defer log.close()
	lines := log.lines
	quiet := time.NewTimer(holdBack)
	defer quiet.Stop()
	for {
		select {
		case line, ok := <-lines:
			if ok {
				p.relay(line, lines)
				quiet.Reset(holdBack)
				continue
			}
			lines = nil
			p.ended(log)
		case <-quiet.C:
			p.letGo()
		case out := <-decided:
			cancel()
			if lines != nil {
				p.rest(log)
			}
			if out.err != nil {
				p.letGo()
				return d, out.err
			}
			if !p.holdsEnd(out.d) {
				p.letGo()
			}
			return out.d, nil
		case <-ctx.Done():
			cause := context.Cause(ctx)
			cancel()
			out := <-decided
			if out.err == nil {
				return out.d, nil
			}
			return d, cause
		}
	}
}

// feed is the log of a deployment that is under way.
type feed struct {
	lines   <-chan deploy.LogLine
	dropped func() bool // lines was closed because we were too slow
	close   func()
}

// noFeed is that of a deployment that is over already, or that nobody looks at.
var noFeed = feed{dropped: func() bool { return false }, close: func() {}}

// feedOf asks the engine.
func feedOf(e Engine) func(deploy.DeploymentID) feed {
	return func(id deploy.DeploymentID) feed {
		w := e.Watch(id)
		if w == nil {
			return noFeed
		}
		return feed{lines: w.C, dropped: w.Dropped, close: w.Close}
	}
}

func (p *push) watch(d deploy.Deployment) feed {
	if p.band == nil {
		return noFeed
	}
	return p.s.watch(d.ID)
}

// relay sends the line and those that wait behind it, but for a last one that
// announces a step.
func (p *push) relay(line deploy.LogLine, more <-chan deploy.LogLine) {
	p.scratch = append(p.scratch[:0], p.held...)
	p.held = p.held[:0]
	last := len(p.scratch)
	p.scratch = appendLine(p.scratch, line)
	p.scratch, last = gather(p.scratch, last, more)
	if bytes.HasPrefix(p.scratch[last:], announcement) {
		p.held = append(p.held, p.scratch[last:]...)
		p.scratch = p.scratch[:last]
	}
	_ = p.band.write(bandProgress, p.scratch) // a client that is gone is noticed by its session
}

// holdBack is how long a line that announces a step is kept. When the next thing
// is the end of a deployment that failed, it said why it did, which is about to
// be told in full.
const holdBack = 200 * time.Millisecond

var announcement = []byte("==> ")

// letGo sends the line that was held back.
func (p *push) letGo() {
	if len(p.held) > 0 {
		_ = p.band.write(bandProgress, p.held)
		p.held = p.held[:0]
	}
}

// holdsEnd tells whether the line that is held back says how the deployment failed.
func (p *push) holdsEnd(d deploy.Deployment) bool {
	end := fmt.Sprintf("%s: %s", d.State, d.Note)
	if d.Failure != nil {
		end = d.Failure.Error()
	}
	held := strings.TrimSuffix(strings.TrimPrefix(string(p.held), string(announcement)), "\n")
	return strings.EqualFold(held, cleanLine(end))
}

// gather appends the lines that are there already, up to a packet's worth, and
// tells where the last one begins.
func gather(buf []byte, last int, more <-chan deploy.LogLine) (_ []byte, begin int) {
	for len(buf) < batch {
		select {
		case line, ok := <-more:
			if !ok {
				return buf, last // whoever receives next sees it closed too
			}
			last = len(buf)
			buf = appendLine(buf, line)
		default:
			return buf, last
		}
	}
	return buf, last
}

func appendLine(buf []byte, line deploy.LogLine) []byte {
	return append(append(buf, cleanLine(line.Text)...), '\n')
}

// rest sends what was written before the deployment was decided. The log closes
// when all of it was seen; one that stays open is waited for briefly.
func (p *push) rest(log feed) {
	patience := time.NewTimer(500 * time.Millisecond)
	defer patience.Stop()
	for {
		select {
		case line, ok := <-log.lines:
			if !ok {
				p.ended(log)
				return
			}
			p.relay(line, log.lines)
		case <-time.After(50 * time.Millisecond):
			return
		case <-patience.C:
			select {
			case _, ok := <-log.lines:
				if ok {
					p.incomplete()
				} else {
					p.ended(log)
				}
			default:
			}
			return
		}
	}
}

// ended notes that the log is over, and tells of lines that the pusher did not
// get to see.
func (p *push) ended(log feed) {
	if p.whole = !log.dropped(); !p.whole {
		p.incomplete()
	}
}

func (p *push) incomplete() {
	p.letGo()
	p.tell(fmt.Sprintf("[the log was faster than your connection; the rest: %s logs -f %s]", p.se.reach(), p.app.Name))
}

// abandon is called when the pusher is gone: the deployment goes on, unless he
// asked for the opposite.
func (p *push) abandon(ctx context.Context, d deploy.Deployment) {
	if !p.options.CancelOnDisconnect || !errors.Is(context.Cause(ctx), errClientGone) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := p.s.engine.Cancel(ctx, d.App, d.ID, p.se.user)
	if err != nil && !errors.Is(err, deploy.ErrNothing) {
		p.s.log.Warn("cannot cancel the deployment of a pusher who went away", "app", d.App, "deployment", d.ID, "error", err)
	}
}
