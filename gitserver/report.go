package gitserver

import (
	"io"
	"strings"

	"teal/deploy"
)

// maxReason keeps a reason on one line of a terminal or two.
const maxReason = 200

// maxRefEcho is how much of a ref's name is given back: with the reason it must
// fit into one packet.
const maxRefEcho = 4096

// verdict is what became of one command.
type verdict struct {
	ref    string
	reason string // "": done
}

// encodeReport writes the report of gitprotocol-pack. unpack is "ok" or why the
// pack was not taken.
func encodeReport(unpack string, verdicts []verdict) []byte {
	b := appendPacket(nil, "unpack "+oneLine(unpack)+"\n")
	for _, v := range verdicts {
		v.ref = echo(v.ref)
		if v.reason == "" {
			b = appendPacket(b, "ok "+v.ref+"\n")
		} else {
			b = appendPacket(b, "ng "+v.ref+" "+oneLine(v.reason)+"\n")
		}
	}
	return append(b, "0000"...)
}

// echo gives a ref's name back to the client that sent it. What is no name must
// not become a line of the report's.
func echo(ref string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, ref[:min(len(ref), maxRefEcho)])
}

// oneLine makes text fit into a report: a newline would begin another verdict.
func oneLine(s string) string {
	return deploy.Clean(strings.Join(strings.Fields(s), " "), maxReason)
}

// talk is the server's side of a push once its request is known.
type talk struct {
	band   *sideband // nil: the client has no side band, and hears the report alone
	w      io.Writer
	status bool // the client wants a report
	// quiet: the client wants no progress. git sends it whenever its output is
	// no terminal, as in CI, so that it can't mean the log of the deployment.
	quiet bool
}

// say tells the pusher about the transfer, unless he asked for quiet.
func (t *talk) say(lines ...string) {
	if !t.quiet {
		t.tell(lines...)
	}
}

// tell tells the pusher what he must see: the log, the outcome, the reason.
func (t *talk) tell(lines ...string) {
	if t.band == nil || len(lines) == 0 {
		return
	}
	_ = t.band.write(bandProgress, []byte(strings.Join(lines, "\n")+"\n")) // a client that is gone is noticed by its session
}

// report ends the push.
func (t *talk) report(unpack string, verdicts []verdict) error {
	var report []byte
	if t.status {
		report = encodeReport(unpack, verdicts)
	}
	if t.band == nil {
		_, err := t.w.Write(report)
		return err
	}
	if err := t.band.write(bandData, report); err != nil {
		return err
	}
	return t.band.flush()
}
