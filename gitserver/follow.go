package gitserver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
// returns how. The deployment never waits for it: the engine drops a watcher
// that does not keep up, as one does whose client was stopped with ctrl-Z.
func (p *push) follow(ctx context.Context, d deploy.Deployment) (deploy.Deployment, error) {
	ctx, cancel := context.WithCancel(ctx)
	decided := make(chan outcome, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				p.s.log.Error("waiting for a deployment panicked", "app", d.App, "deployment", d.ID, "error", r, "stack", string(debug.Stack()))
				decided <- outcome{err: errInternal}
			}
		}()
		end, err := p.s.engine.Wait(ctx, d.ID, p.s.limits.Patience)
		decided <- outcome{end, err}
	}()
	w := p.watch(d)
	defer w.close()
	var lines <-chan deploy.LogLine = w.lines
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				w.note()
				lines = nil
				continue
			}
			p.relay(line, lines)
		case out := <-decided:
			cancel()
			p.rest(lines)
			return out.d, out.err
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

// watching is a watcher that may not be there: with quiet nobody looks, and a
// deployment that is over already has none.
type watching struct {
	p       *push
	watcher *deploy.Watcher
	lines   <-chan deploy.LogLine
}

func (p *push) watch(d deploy.Deployment) watching {
	if p.quiet || p.band == nil {
		return watching{p: p}
	}
	w := watching{p: p, watcher: p.s.engine.Watch(d.ID)}
	if w.watcher != nil {
		w.lines = w.watcher.C
	}
	return w
}

func (w watching) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// note tells that lines are missing.
func (w watching) note() {
	if w.watcher.Dropped() {
		w.p.say(fmt.Sprintf("[the log was faster than your connection; follow the rest with: %s logs -f %s]", w.p.se.reach(), w.p.app.Name))
	}
}

// relay sends the line and those that wait behind it.
func (p *push) relay(line deploy.LogLine, more <-chan deploy.LogLine) {
	p.scratch = gather(appendLine(p.scratch[:0], line), more)
	_ = p.band.write(bandProgress, p.scratch) // a client that is gone is noticed by its session
}

// gather appends the lines that are there already, up to a packet's worth.
func gather(buf []byte, more <-chan deploy.LogLine) []byte {
	for len(buf) < batch {
		select {
		case line, ok := <-more:
			if !ok {
				return buf // whoever receives next sees it closed too
			}
			buf = appendLine(buf, line)
		default:
			return buf
		}
	}
	return buf
}

func appendLine(buf []byte, line deploy.LogLine) []byte {
	return append(append(buf, cleanLine(line.Text)...), '\n')
}

// rest sends what was written before the deployment was decided. The watcher
// closes when all of it was seen; one that stays open is waited for briefly.
func (p *push) rest(lines <-chan deploy.LogLine) {
	patience := time.NewTimer(500 * time.Millisecond)
	defer patience.Stop()
	for lines != nil {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			p.relay(line, lines)
		case <-time.After(50 * time.Millisecond):
			return
		case <-patience.C:
			return
		}
	}
}

// abandon is called when the pusher is gone: the deployment goes on, unless he
// asked for the opposite.
func (p *push) abandon(ctx context.Context, d deploy.Deployment) {
	if !p.options.CancelOnDisconnect || !errors.Is(context.Cause(ctx), errClientGone) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := p.s.engine.Cancel(ctx, d.App, p.se.user)
	if err != nil && !errors.Is(err, deploy.ErrNothing) {
		p.s.log.Warn("cannot cancel the deployment of a pusher who went away", "app", d.App, "deployment", d.ID, "error", err)
	}
}
