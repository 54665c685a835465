package gitserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"teal/deploy"
)

// turn is one app's lock on its repository. It is held for the short steps that
// must not interleave, never while a client sends; and by the housekeeper for
// long, who gives way at once.
type turn struct {
	place chan struct{}
	yield context.CancelCauseFunc // the housekeeper holds it; guarded by Repos.mu
}

var errYielded = errors.New("someone needs the repository")

// turn gives the app's. The caller holds r.mu.
func (r *Repos) turn(app deploy.AppName) *turn {
	t := r.turns[app]
	if t == nil {
		t = &turn{place: make(chan struct{}, 1)}
		r.turns[app] = t
	}
	return t
}

// lock waits for the app's turn.
func (r *Repos) lock(ctx context.Context, app deploy.AppName) (unlock func(), err error) {
	r.mu.Lock()
	t := r.turn(app)
	if t.yield != nil {
		t.yield(errYielded)
	}
	r.mu.Unlock()
	select {
	case t.place <- struct{}{}:
		return func() { <-t.place }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("another push to %s is being stored: %w", app, context.Cause(ctx))
	}
}

// lockIdle takes the turn when nobody holds it and no push is on its way. The
// context that it gives ends when someone else wants it, and after Limits.Clean.
func (r *Repos) lockIdle(ctx context.Context, app deploy.AppName) (_ context.Context, unlock func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.turn(app)
	select {
	case t.place <- struct{}{}:
	default:
		return ctx, nil, false
	}
	// A push begins with its quarantine, which is made in its turn.
	under, _ := filepath.Glob(filepath.Join(globQuote(r.path(app)), "objects/tmp_objdir-*"))
	if len(under) > 0 {
		<-t.place
		return ctx, nil, false
	}
	ctx, stop := context.WithTimeout(ctx, r.limits.Clean)
	ctx, t.yield = context.WithCancelCause(ctx)
	return ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.yield(nil)
		t.yield = nil
		stop()
		<-t.place
	}, true
}
