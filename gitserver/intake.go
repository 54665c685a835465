package gitserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"
)

// stallFloor is what a client must send within the stall time: a trickle is a
// stall too. Who keeps others waiting must send more.
const (
	stallFloor   = 4 << 10
	crowdedFloor = 256 << 10
)

var errInterrupted = errors.New("the reader has what it needs")

// intake is what the client sends. An SSH channel knows no read deadline, so a
// goroutine of the session's reads it, and readers wait here: no longer than
// the context lasts, and not for a client that stalls.
type intake struct {
	br     *bufio.Reader
	chunks chan []byte
	spare  chan []byte
	rest   []byte // of the chunk in hand
	chunk  []byte
	done   chan struct{} // nobody reads any more
	err    error         // why the pump ended; read after chunks is closed

	ctx      context.Context
	until    <-chan struct{} // ends a Read early
	crowded  func() bool     // tells whether others wait; nil: nobody does
	stall    time.Duration
	thinking bool          // the next byte may take as long as ctx lasts
	waited   time.Duration // since the last judgement
	got      int           // bytes since then
}

// newIntake makes an intake; pump must be run for it.
func newIntake(ctx context.Context, stall time.Duration) *intake {
	in := &intake{
		chunks: make(chan []byte), spare: make(chan []byte, 2), done: make(chan struct{}),
		ctx: ctx, stall: stall,
	}
	in.spare <- make([]byte, 32<<10)
	in.spare <- make([]byte, 32<<10)
	in.br = bufio.NewReaderSize(rawIntake{in}, 64<<10)
	return in
}

// pump reads r until it ends or nobody reads any more.
func (in *intake) pump(r io.Reader) {
	defer close(in.chunks)
	for {
		var buf []byte
		select {
		case buf = <-in.spare:
		case <-in.done:
			return
		}
		n, err := r.Read(buf[:cap(buf)])
		if n > 0 {
			select {
			case in.chunks <- buf[:n]:
			case <-in.done:
				return
			}
		} else {
			in.spare <- buf
		}
		if err != nil {
			in.err = err
			return
		}
	}
}

// close tells the pump that nobody reads any more.
func (in *intake) close() { close(in.done) }

// within bounds all reads from now on by ctx.
func (in *intake) within(ctx context.Context) { in.ctx = ctx }

// patient makes the wait for the next byte last as long as ctx does: before it
// sends, a client's hooks run its tests, and git counts and compresses objects.
// The clock of a stall starts with that byte.
func (in *intake) patient() {
	in.thinking = in.br.Buffered() == 0 && len(in.rest) == 0
}

// interrupt makes reads end with errInterrupted once the channel is closed; nil: never.
func (in *intake) interrupt(c <-chan struct{}) { in.until = c }

// hurry makes crowdedFloor the least while crowded is true; nil: never.
func (in *intake) hurry(crowded func() bool) { in.crowded = crowded }

// Read reads what the client sends.
func (in *intake) Read(p []byte) (int, error) { return in.br.Read(p) }

// Peek gives the next n bytes without taking them.
func (in *intake) Peek(n int) ([]byte, error) { return in.br.Peek(n) }

// rawIntake is the reader under the buffer.
type rawIntake struct{ in *intake }

func (raw rawIntake) Read(p []byte) (int, error) {
	in := raw.in
	if len(in.rest) == 0 {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.rest)
	if in.rest = in.rest[n:]; len(in.rest) == 0 {
		in.spare <- in.chunk
	}
	return n, nil
}

// next waits for a chunk.
func (in *intake) next() error {
	began := time.Now()
	timer := time.NewTimer(in.stall - in.waited)
	defer timer.Stop()
	for {
		select {
		case chunk, ok := <-in.chunks:
			if !ok {
				return in.err
			}
			in.chunk, in.rest = chunk, chunk
			if in.thinking {
				in.thinking, in.waited, in.got = false, 0, len(chunk)
				return nil
			}
			in.got += len(chunk)
			if in.waited += time.Since(began); in.waited < in.stall {
				return nil
			}
			return in.judge()
		case <-in.ctx.Done():
			return context.Cause(in.ctx)
		case <-in.until:
			return errInterrupted
		case <-timer.C:
			if !in.thinking {
				if err := in.judge(); err != nil {
					return err
				}
			}
			began = time.Now()
			timer.Reset(in.stall)
		}
	}
}

// judge judges the time that was spent waiting, and begins a new one.
func (in *intake) judge() error {
	got := in.got
	in.waited, in.got = 0, 0
	if got < stallFloor {
		return refuse("less than %s were received in %v", byteSize(stallFloor), in.stall)
	}
	if got < crowdedFloor && in.crowded != nil && in.crowded() {
		return refuse("less than %s were received in %v while other pushes waited: push again", byteSize(crowdedFloor), in.stall)
	}
	return nil
}

// drain takes what the client still sends, so that it comes to read why it was
// refused, and gives up after limit bytes or when ctx ends.
func (in *intake) drain(ctx context.Context, limit int64) {
	in.within(ctx)
	_, _ = io.CopyN(io.Discard, in, limit)
}
