package router

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

var errBodyEnded = errors.New("the request is over")

// callBody is the body of a request, read by the transport's goroutine.
type callBody struct {
	x       *exchange
	upload  *upload
	patient bool // the client may be silent

	mu    sync.Mutex // held while the client is read
	ended atomic.Bool
	pace  pace // guarded by mu
	over  bool // nothing more comes; guarded by mu
	took  atomic.Bool
}

// begun tells whether something was taken from the client.
func (b *callBody) begun() bool { return b.took.Load() }

func (b *callBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended.Load() || b.over {
		return 0, errBodyEnded // io.EOF would make it look complete
	}
	b.took.Store(true)
	if !b.patient {
		b.x.client.readWithin(b.x.router.limits.Body)
		if b.ended.Load() {
			return 0, errBodyEnded // the deadline that was to stop it may be gone again
		}
	}
	n, err := b.x.client.read(p)
	b.upload.progress.Add(int64(n))
	if err == nil && !b.patient && !b.upload.answered.Load() && b.pace.slow(b.x.router, n) {
		err = errSlow
	}
	switch {
	case errors.Is(err, io.EOF):
		b.over = true
		b.x.client.readWithin(0)
		b.upload.complete.Store(true)
		close(b.upload.done)
	case err != nil:
		b.over = true
		b.upload.broken.Store(&err)
		close(b.upload.done)
	}
	return n, err
}

// Close is the transport's; the exchange ends the body itself.
func (b *callBody) Close() error { return nil }

// end waits for a read under way, which it stops, and tells whether the body
// had come to its end before.
func (b *callBody) end() (whole bool) {
	b.ended.Store(true)
	if b.upload.complete.Load() {
		return true
	}
	b.x.client.stopReading()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		close(b.upload.done)
	}
	return b.upload.complete.Load()
}
