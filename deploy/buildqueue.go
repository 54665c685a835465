package deploy

import (
	"context"
	"slices"
	"sync"
)

// buildQueue lets a bounded number of builds run at once. An app has one build
// in it at most, since a newer push displaces an older one, so first come, first
// served is fair to apps. Pushes, which a person waits for, go before patches.
type buildQueue struct {
	mu      sync.Mutex
	free    int       // builds that may begin
	running []AppName // the others
	waiting []*ticket
}

// ticket is a build that waits for its turn.
type ticket struct {
	app   AppName
	patch bool
	turn  chan struct{} // closed when it may begin
}

func newBuildQueue(most int) *buildQueue { return &buildQueue{free: most} }

// enter waits for the app's turn. When it is not at once, told is called with
// the apps that build now and those that come first. Whoever got a turn must leave.
func (q *buildQueue) enter(ctx context.Context, app AppName, patch bool, told func(running, before []AppName)) (leave func(), err error) {
	leave = func() { q.leave(app) }
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.running = append(q.running, app)
		q.mu.Unlock()
		return leave, nil
	}
	t := &ticket{app: app, patch: patch, turn: make(chan struct{})}
	at := len(q.waiting)
	if !patch {
		if i := slices.IndexFunc(q.waiting, func(t *ticket) bool { return t.patch }); i >= 0 {
			at = i
		}
	}
	q.waiting = slices.Insert(q.waiting, at, t)
	running, before := slices.Clone(q.running), make([]AppName, 0, at)
	for _, t := range q.waiting[:at] {
		before = append(before, t.app)
	}
	q.mu.Unlock()
	told(running, before)
	select {
	case <-t.turn:
		return leave, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, t); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return nil, context.Cause(ctx)
	}
	return leave, nil // the turn came just then; what follows sees that ctx has ended
}

// leave gives the turn to the next one.
func (q *buildQueue) leave(app AppName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.running, app); i >= 0 {
		q.running = slices.Delete(q.running, i, i+1)
	}
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	q.running = append(q.running, next.app)
	close(next.turn)
}
