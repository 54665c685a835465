package gitserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/deploy"
)

var (
	errClientGone = errors.New("the client went away")
	errInternal   = errors.New("internal error")
)

// push is one push on its way.
type push struct {
	*talk
	s       *Server
	se      *session
	in      *intake
	app     deploy.App
	fresh   bool // the app does not exist yet, and the user may create it
	refs    refs // as advertised
	req     request
	options deploy.Options
	scratch []byte
	held    []byte // a line of the log that waits for the next one
	whole   bool   // the pusher saw all of the log
}

// receivePack serves one git push. The exit status matters to nobody: git goes
// by the report.
func (s *Server) receivePack(ctx context.Context, se *session, name string) int {
	app, fresh, err := s.appToPush(ctx, se, name)
	if err != nil {
		writeError(se.ch, s.words(err, "app", name, "user", se.user))
		return 1
	}
	receiving, stop := context.WithTimeoutCause(ctx, s.limits.Receive, refuse("the push was not received within %v", s.limits.Receive))
	defer stop()
	in := se.takeInput(receiving, s.limits.Stall)
	p := &push{s: s, se: se, in: in, app: app, fresh: fresh}
	if err := p.open(receiving); err != nil {
		p.fail(s.words(err, "app", app.Name, "user", se.user))
		p.drain(ctx, 5*time.Second)
		return 1
	}
	if len(p.req.commands) == 0 {
		return 0 // up to date
	}
	defer p.keepalive()()
	d, err := p.take(receiving)
	if err != nil {
		p.refused(ctx, err)
		return 1
	}
	s.repos.tidy(p.app.Name)
	return p.conclude(ctx, d)
}

// open advertises, and reads what the client wants.
func (p *push) open(ctx context.Context) error {
	var err error
	if p.refs, err = p.s.repos.refs(ctx, p.app.Name); err != nil {
		return err
	}
	if err := advertise(p.se.ch, p.refs); err != nil {
		return err
	}
	p.in.patient()
	p.req, err = decodeRequest(p.in, p.s.limits)
	p.in.patient()
	// A pusher may look away from a long log, and not for ever: he holds a connection.
	w := hurried{p.se.ch, p.s.limits.Idle, p.se.c.close}
	p.talk = &talk{w: w, status: p.req.has("report-status"), quiet: p.req.has("quiet")}
	if p.req.has("side-band-64k") {
		p.band = &sideband{w: w}
	}
	return err
}

// fail ends a push whose request was not understood or is too much. git that was
// promised a side band takes nothing else for an answer.
func (p *push) fail(text string) {
	if p.talk == nil || p.band == nil {
		writeError(p.se.ch, text)
		return
	}
	_ = p.band.write(bandFatal, []byte(text+"\n")) // nothing is left to do for a client that is gone
}

// keepalive sends empty packets, so that nothing between here and the client
// takes the connection for dead during a silent build. It returns its end.
func (p *push) keepalive() (stop func()) {
	if p.band == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.s.limits.SidebandKeepalive)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if p.band.keepalive() != nil {
					return
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

// take checks the push, takes its objects, and hands it to the engine. Until the
// last step nothing has changed but a directory that is removed again.
func (p *push) take(ctx context.Context) (deploy.Deployment, error) {
	var err error
	if p.options, err = parseOptions(p.req.options); err != nil {
		return deploy.Deployment{}, err
	}
	if err := checkCommands(p.app, p.req.commands, p.se.reach()); err != nil {
		return deploy.Deployment{}, err
	}
	c := p.req.commands[0]
	if err := checkState(c, p.refs); err != nil { // and again when it is its turn
		return deploy.Deployment{}, err
	}
	q, err := p.s.repos.quarantine(ctx, p.app.Name, p.req.shallows)
	if err != nil {
		return deploy.Deployment{}, err
	}
	defer q.discard(ctx, p.appExists())
	commit, err := p.judge(ctx, q, c.new)
	if err != nil {
		return deploy.Deployment{}, &packError{err}
	}
	return p.store(ctx, q, deploy.Push{
		App: p.app.Name, Ref: c.ref, Old: c.old, New: c.new, Commit: commit, By: p.se.user, Options: p.options,
	})
}

// judge takes the pack into the quarantine and checks all that is in it.
func (p *push) judge(ctx context.Context, q *quarantine, tip string) (deploy.Commit, error) {
	kind, err := q.unpack(ctx, p.in, tip, p.se.user, func(line string) { p.say(line) })
	if err != nil {
		return deploy.Commit{}, err
	}
	if err := q.checkTip(ctx, tip, kind); err != nil {
		return deploy.Commit{}, err
	}
	if err := q.checkConnected(ctx, tip); err != nil {
		return deploy.Commit{}, err
	}
	return readCommit(ctx, q.plumbing(), p.app.Name, tip)
}

// store makes the objects part of the repository and queues the deployment. If
// we die before the engine has it, the pusher was told nothing, the ref stands
// where it was, and the objects are garbage.
func (p *push) store(ctx context.Context, q *quarantine, push deploy.Push) (deploy.Deployment, error) {
	unlock, err := p.s.repos.lock(ctx, push.App)
	if err != nil {
		return deploy.Deployment{}, err
	}
	defer unlock()
	refs, err := p.s.repos.refs(ctx, push.App)
	if err != nil {
		return deploy.Deployment{}, err
	}
	if err := checkState(p.req.commands[0], refs); err != nil {
		return deploy.Deployment{}, err
	}
	// From here on the push counts, whether its client stays or not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := p.create(ctx); err != nil {
		return deploy.Deployment{}, err
	}
	if err := q.migrate(ctx); err != nil {
		return deploy.Deployment{}, err
	}
	if err := p.s.repos.keepCommit(push.App, push.New); err != nil {
		return deploy.Deployment{}, err
	}
	return p.s.engine.Receive(ctx, push)
}

// refused tells the pusher why nothing was taken. The report goes out first, so
// that a client that waits for it gets it; what it still sends is read away, so
// that one that does not comes to read it.
func (p *push) refused(ctx context.Context, err error) {
	reason, unpack := p.s.words(err, "app", p.app.Name, "user", p.se.user), "ok"
	var pe *packError
	if errors.As(err, &pe) {
		unpack = reason
	}
	p.s.log.Info("push refused", "app", p.app.Name, "user", p.se.user, "error", reason)
	if p.verdict(unpack, reason) == nil && p.req.hasPack() {
		p.drain(ctx, p.s.limits.Receive)
	}
}

// packError marks what is wrong with the pack, not with what is asked.
type packError struct{ error }

func (e *packError) Unwrap() error { return e.error }

// verdict sends the report, with the same reason for every ref.
func (p *push) verdict(unpack, reason string) error {
	var verdicts []verdict
	for _, c := range p.req.commands {
		verdicts = append(verdicts, verdict{c.ref, reason})
	}
	return p.report(unpack, verdicts)
}

// drain reads away what the client still sends.
func (p *push) drain(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.in.drain(ctx, p.s.limits.Pack)
}

// conclude waits for the deployment and reports its outcome.
func (p *push) conclude(ctx context.Context, d deploy.Deployment) int {
	p.remark(ctx, d)
	if p.options.Detach {
		p.tell(QueuedText(d, p.se.reach())...)
		_ = p.verdict("ok", "")
		return 0
	}
	d, err := p.follow(ctx, d)
	if err != nil {
		p.abandon(ctx, d)
		_ = p.verdict("ok", p.unknown(ctx, d, err))
		return 1
	}
	switch {
	case d.State.Committed():
		p.tell(ReceiptText(d, p.s.url(p.app.Name))...)
		if d.State == deploy.Promoting { // what comes next for it is the ref
			p.tell("   the branch on the server follows in a moment")
		}
	case d.State == deploy.Staged:
		p.tell(StagedText(d, p.appNow(ctx), p.s.previewURL(p.app.Name), p.se.reach())...)
	default:
		p.tell(FailureText(p.unseen(d), p.appNow(ctx), p.se.reach())...)
		_ = p.verdict("ok", Reason(d))
		return 1
	}
	_ = p.verdict("ok", "")
	return 0
}

// unseen leaves out of the deployment's failure the lines that the pusher has
// just seen: what a build and a release command write is part of the log. What
// the app wrote is not.
func (p *push) unseen(d deploy.Deployment) deploy.Deployment {
	if p.whole && d.Failure != nil && (d.Failure.Step == deploy.StepBuild || d.Failure.Step == deploy.StepRelease) {
		f := *d.Failure
		f.Log, d.Failure = nil, &f
	}
	return d
}

// remark names what will not be in the image as its author may expect.
func (p *push) remark(ctx context.Context, d deploy.Deployment) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	remarks, err := p.s.repos.Remarks(ctx, d.App, d.Push.Commit)
	if err != nil {
		return // a tree that can't be listed fails the build with its reason
	}
	for _, r := range remarks {
		p.tell("note: " + r)
	}
}

// unknown is the report when the outcome can't be waited for.
func (p *push) unknown(ctx context.Context, d deploy.Deployment, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("teal is stopping; see what became of it: %s logs %s", p.se.reach(), d.App)
	}
	p.s.log.Error("cannot wait for a deployment", "app", d.App, "deployment", d.ID, "error", err)
	return fmt.Sprintf("the outcome is not known: %s logs %s", p.se.reach(), d.App)
}

// appNow reads the app again: what serves it may have changed.
func (p *push) appNow(ctx context.Context) deploy.App {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if app, err := p.s.apps.App(ctx, p.app.Name); err == nil {
		return app
	}
	return p.app
}
