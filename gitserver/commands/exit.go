package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal/deploy"
)

// The exit codes: a promise to scripts.
const (
	ExitDone     = 0 // done
	ExitFailed   = 1 // the deployment failed, or it is not possible now
	ExitUsage    = 2 // wrong words
	ExitNotFound = 3 // not found, or not to be seen by this user
	ExitDenied   = 4 // not allowed
	ExitBusy     = 5 // busy, or someone was first: try again
	ExitTeal     = 6 // Teal itself failed
)

// exits is how help says it.
const exits = "0 done · 1 the deployment failed, or not possible now · 2 wrong words · 3 not found\n" +
	"            4 not allowed · 5 busy or conflict: try again · 6 Teal itself failed"

// errGone: what the command says is not taken any more.
var errGone = errors.New("the client is gone")

// problem is why a command did not do what was asked, in the words that the
// person reads.
type problem struct {
	exit int
	what string // one line: what happened
	next string // one line: what to type
	err  error  // for the log; may be nil
}

func (p *problem) Error() string { return p.what }
func (p *problem) Unwrap() error { return p.err }

func trouble(exit int, what, next string) *problem {
	return &problem{exit: exit, what: what, next: next}
}

// because keeps the error that the problem came from.
func (p *problem) because(err error) *problem {
	p.err = err
	return p
}

// report prints what went wrong and returns the exit code.
func (s *Set) report(call Call, j *job, err error) int {
	if err == nil {
		return ExitDone
	}
	p := s.explain(j, err)
	if p.exit == ExitTeal {
		s.Log.Error("command failed", "user", call.User, "error", err)
	}
	// A reason may bring lines of its own; two lines are what scripts and people expect.
	fmt.Fprintln(call.Stderr, "teal: "+deploy.Clean(strings.ReplaceAll(p.what, "\n", " "), 2000))
	if p.next != "" {
		fmt.Fprintln(call.Stderr, "next: "+deploy.Clean(strings.ReplaceAll(p.next, "\n", " "), 2000))
	}
	return p.exit
}

// explain is the one place that maps errors of the core to words and codes.
func (s *Set) explain(j *job, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	app := ""
	if j != nil {
		app = string(j.app.Name)
	}
	p = trouble(ExitTeal, err.Error(), "try again; if it stays, the administrator finds the reason in the log of teal").because(err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errGone):
		p.exit, p.what, p.next = ExitBusy, "stopped: the connection ended", "type it again"
	case errors.Is(err, context.DeadlineExceeded):
		p.what, p.next = "Teal did not get it done in time: "+err.Error(), s.Hint.Command("ps", app)
	case errors.Is(err, deploy.ErrBadName):
		p.exit, p.next = ExitUsage, s.usageOf(j)
		p.what = strings.TrimPrefix(p.what, deploy.ErrBadName.Error()+": ")
	case errors.Is(err, deploy.ErrNotFound):
		p.exit, p.next = ExitNotFound, s.Hint.Command("apps")
	case errors.Is(err, deploy.ErrDenied):
		p.exit, p.next = ExitDenied, s.Hint.Command("whoami")
	case errors.Is(err, deploy.ErrExists), errors.Is(err, deploy.ErrConflict):
		p.exit, p.next = ExitBusy, "look, then try again: "+s.Hint.Command("apps")
	case errors.Is(err, deploy.ErrBusy):
		p.exit, p.next = ExitBusy, "follow what is under way: "+s.Hint.Command("logs", "-f", app)
	case errors.Is(err, deploy.ErrStopping):
		p.exit, p.next = ExitBusy, "Teal starts again in a moment; then type it again"
	case errors.Is(err, deploy.ErrNothing):
		p.exit, p.next = ExitFailed, s.Hint.Command("ps", app)
	case errors.Is(err, deploy.ErrEngineAway):
		p.next = "what ran keeps being served; try again when the engine is back: " + s.Hint.Command("ps")
	}
	p.next = strings.TrimSpace(p.next)
	return p
}

func (s *Set) usageOf(j *job) string {
	if j == nil || j.row == nil {
		return s.Hint.Command("help")
	}
	return s.Hint.Command(j.path) + " " + j.row.usage
}

// because words err anew when it wraps sentinel, and leaves it alone otherwise.
func because(err, sentinel error, exit int, what, next string) error {
	if !errors.Is(err, sentinel) {
		return err
	}
	return trouble(exit, what, next).because(err)
}
