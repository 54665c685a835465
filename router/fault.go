package router

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// fault is why a try did not come to its end.
type fault struct {
	kind faultKind
	err  error
}

type faultKind int

const (
	faultDown   faultKind = iota // no instance of the release runs
	faultDial                    // no connection to the instance
	faultMoved                   // the table changed while a connection was made
	faultStale                   // a used connection was found dead; nothing was written
	faultUnsent                  // the connection ended before a byte was written
	faultSilent                  // the connection ended before a byte was answered
	faultBroken                  // the answer is malformed, or breaks off
	faultLate                    // no answer within the time
	faultCut                     // the release was taken away: its drain time is over
	faultGone                    // the client left
	faultBody                    // the client's body is malformed or breaks off
)

func (f *fault) Error() string {
	if f.err == nil {
		return f.kind.String()
	}
	return fmt.Sprintf("%s: %v", f.kind, f.err)
}

func (k faultKind) String() string {
	return [...]string{
		"no instance is running", "no connection to the instance", "the route changed", "the connection was dead",
		"the connection was closed before the request was written", "the connection was closed before the answer",
		"the answer is broken", "no answer in time", "cut at the end of the drain",
		"the client left", "the body of the request is broken",
	}[k]
}

// failed tells whether the fault counts as a failed request of the release.
func (f *fault) failed() bool { return f.kind != faultGone && f.kind != faultBody }

func timedOut(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// blame finds the cause behind an error on the connection c: it may have been
// broken on purpose, by a drain, or because the client or its body ended.
func (x *exchange) blame(c *conn, kind faultKind, err error) *fault {
	switch {
	case c.wasCut():
		return &fault{faultCut, err}
	case x.bodyError() != nil:
		return &fault{faultBody, x.bodyError()}
	case x.client.gone():
		return &fault{faultGone, err}
	case timedOut(err):
		return &fault{faultLate, err}
	}
	return &fault{kind, err}
}

// bodyError is how the client's body went wrong; nil if it did not. net/http
// ends the request's context before the upload sees the error, so that is
// given a moment to say what it was.
func (x *exchange) bodyError() error {
	if x.upload == nil {
		return nil
	}
	if x.client.gone() {
		timer := time.NewTimer(100 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-x.upload.done:
		case <-timer.C:
		}
	}
	return x.upload.clientError()
}

// blameClient is for an error while writing to the client, which left or reads
// too slowly.
func (x *exchange) blameClient(c *conn, err error) *fault {
	if c.wasCut() {
		return &fault{faultCut, err}
	}
	return &fault{faultGone, err}
}
