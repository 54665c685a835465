package router

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// hesitant is a client whose upload is stopped when its goroutine is about to
// set the deadline of the next read.
type hesitant struct {
	client
	stop    func()
	ended   chan struct{} // closed by stopReading
	expired bool
}

func (h *hesitant) readWithin(time.Duration) {
	if h.stop != nil {
		h.stop()
		<-h.ended
		h.stop = nil
	}
	h.expired = false // the deadline is a new one
}

func (h *hesitant) stopReading() { h.expired = true; close(h.ended) }
func (h *hesitant) stopped()     {}

// read of a client that says nothing more.
func (h *hesitant) read([]byte) (int, error) {
	if !h.expired {
		return 0, errUnbounded
	}
	return 0, os.ErrDeadlineExceeded
}

var errUnbounded = errors.New("the client was waited for")

func TestStoppedUploadDoesNotWaitForTheClient(t *testing.T) {
	for name, pass := range map[string]func(*exchange, *conn, *upload) (read func() error, end func()){
		"HTTP/1.1": func(x *exchange, c *conn, u *upload) (func() error, func()) {
			return func() error { x.pump(c, u); return u.clientError() }, func() { x.endUpload(c) }
		},
		"HTTP/2": func(x *exchange, _ *conn, u *upload) (func() error, func()) {
			b := &callBody{x: x, upload: u, pace: pace{from: x.router.now()}}
			return func() error { _, err := b.Read(make([]byte, 10)); return err }, func() { b.end() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			u := &upload{done: make(chan struct{})}
			h := &hesitant{ended: make(chan struct{})}
			x := &exchange{router: New(Config{}), client: h, upload: u}
			read, end := pass(x, &conn{net: near}, u)
			ended := make(chan struct{})
			h.stop = func() { go func() { defer close(ended); end() }() }
			if err := read(); errors.Is(err, errUnbounded) {
				t.Error(err)
			}
			within(t, "the end of the upload", ended)
		})
	}
}
