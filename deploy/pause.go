package deploy

import (
	"context"
	"time"
)

// cleanup is the context for undoing: it outlives the interruption that made
// the undoing necessary, but not for ever.
func cleanup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 45*time.Second)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// pauseOr is pause that something else may end, too.
func pauseOr(ctx context.Context, c <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c:
	case <-ctx.Done():
	}
}

// pauseUntil waits for c, but no longer than d.
func pauseUntil(c <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// pauseRunning waits for d and tells whether the engine still runs then.
func (e *Engine) pauseRunning(d time.Duration) bool {
	e.mu.Lock()
	ctx := e.running
	e.mu.Unlock()
	if ctx == nil {
		return false
	}
	pause(ctx, d)
	return ctx.Err() == nil
}
