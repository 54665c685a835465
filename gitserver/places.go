package gitserver

import (
	"context"
	"slices"
	"sync"
)

// places are taken by what costs so much that only a few may run at once. One
// that comes free goes to who has the fewest, and among those to who waits
// longest: many pushes of one user keep nobody else waiting for more than one.
type places struct {
	mu      sync.Mutex
	free    int // above 0: nobody waits
	held    map[string]int
	waiting []*waiter // in the order in which they came
}

// waiter is somebody without a place.
type waiter struct {
	user string
	got  chan struct{} // closed once he has one
}

func newPlaces(n int) *places { return &places{free: n, held: map[string]int{}} }

// take waits for a place; wait is called when there is none at once. Whoever
// has taken one gives it back.
func (p *places) take(ctx context.Context, user string, wait func()) error {
	w := p.enter(user)
	if w == nil {
		return nil
	}
	wait()
	select {
	case <-w.got:
		return nil
	case <-ctx.Done():
		p.leave(w)
		return context.Cause(ctx)
	}
}

// enter takes a place, or begins to wait for one.
func (p *places) enter(user string) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free > 0 {
		p.free--
		p.held[user]++
		return nil
	}
	w := &waiter{user: user, got: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	return w
}

// leave ends the wait, whether the place has come by now or not.
func (p *places) leave(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.pass(w.user)
}

// give gives a place of the user's back.
func (p *places) give(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(user)
}

// pass hands a place of the user's to the next one. The caller holds the lock.
func (p *places) pass(user string) {
	if p.held[user]--; p.held[user] == 0 {
		delete(p.held, user)
	}
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := slices.MinFunc(p.waiting, func(a, b *waiter) int { return p.held[a.user] - p.held[b.user] })
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool { return w == next })
	p.held[next.user]++
	close(next.got)
}

// crowded tells whether somebody waits.
func (p *places) crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0
}

// taken is how many are.
func (p *places) taken() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, held := range p.held {
		n += held
	}
	return n
}
