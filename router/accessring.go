package router

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"
)

// ring is the queue between requests and the writer of the access log: many
// put, one takes, nobody waits (after D. Vyukov's bounded queue, 1024cores.net).
// A slot is the writer's when its turn is one more than its position, and a
// request's when it is the position. Its memory is used again and again.
type ring struct {
	slots []slot
	head  atomic.Uint64 // where the next request puts
	tail  atomic.Uint64 // where the writer takes

	// asleep: the writer waits for a first line. Lines are then left to gather
	// for a moment, so that a busy router wakes it a few times a second only.
	asleep atomic.Bool
	wake   chan struct{}
	hurry  chan struct{} // the ring is half full
}

type slot struct {
	turn atomic.Uint64
	at   uint64
	line []byte
}

var newline = []byte{'\n'}

const (
	ringSize   = 4096 // a power of two
	gatherTime = 50 * time.Millisecond
	batchSize  = 64 << 10
	// slotKeeps is the longest line whose memory a slot keeps.
	slotKeeps = 2 << 10
)

func newRing() *ring {
	g := &ring{slots: make([]slot, ringSize), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	for i := range g.slots {
		g.slots[i].turn.Store(uint64(i))
	}
	g.asleep.Store(true)
	return g
}

// next gives the slot for a line, which publish has to follow; nil: the ring is full.
func (g *ring) next() *slot {
	for {
		at := g.head.Load()
		s := &g.slots[at%ringSize]
		switch turn := s.turn.Load(); {
		case turn == at:
			if g.head.CompareAndSwap(at, at+1) {
				s.at = at
				return s
			}
		case turn < at:
			return nil
		}
	}
}

func (g *ring) publish(s *slot) {
	at := s.at
	s.turn.Store(at + 1)
	if g.asleep.Load() && g.asleep.CompareAndSwap(true, false) {
		g.wake <- struct{}{} // has room: only who changed asleep sends
	}
	if at-g.tail.Load() >= ringSize/2 {
		select {
		case g.hurry <- struct{}{}:
		default:
		}
	}
}

// take appends lines to b until it is long enough or there are no more.
func (g *ring) take(b []byte) (_ []byte, lines int) {
	for at := g.tail.Load(); len(b) < batchSize; at++ {
		s := &g.slots[at%ringSize]
		if s.turn.Load() != at+1 {
			break
		}
		b = append(b, s.line...)
		if cap(s.line) > slotKeeps {
			s.line = nil
		}
		s.turn.Store(at + ringSize)
		g.tail.Store(at + 1)
		lines++
	}
	return b, lines
}

// await returns when lines have gathered, or ctx has ended.
func (g *ring) await(ctx context.Context, timer *time.Timer) {
	select {
	case <-g.wake:
	case <-ctx.Done():
		return
	}
	timer.Reset(gatherTime)
	select {
	case <-timer.C:
	case <-g.hurry:
	case <-ctx.Done():
	}
	timer.Stop()
	g.asleep.Store(true) // before the lines are taken: one that comes later wakes again
}

// writeLines writes the access log, many lines at once, until ctx ends, and
// then what is left of it.
func (r *Router) writeLines(ctx context.Context) {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	batch := make([]byte, 0, batchSize+slotKeeps)
	failing := false
	for {
		r.lines.await(ctx, timer)
		for {
			var lines int
			if batch, lines = r.lines.take(batch[:0]); lines == 0 {
				break
			}
			n, err := r.config.AccessLog.Write(batch)
			if err != nil {
				r.dropped.Add(uint64(bytes.Count(batch[n:], newline)))
				if !failing {
					r.log.Error("access log can't be written; requests go on without it", "error", err)
				}
			}
			failing = err != nil
		}
		if ctx.Err() != nil {
			return
		}
	}
}
