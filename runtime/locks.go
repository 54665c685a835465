package runtime

import (
	"context"
	"errors"
	"sync"
)

// locks are mutexes by name that are waited for no longer than a context lives.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// acquire waits for the lock and returns what gives it back.
func (l *locks) acquire(ctx context.Context, name string) (release func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]chan struct{}{}
	}
	slot, ok := l.held[name]
	if !ok {
		slot = make(chan struct{}, 1)
		l.held[name] = slot
	}
	l.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// parallel is how many containers are worked on at once: enough to hide the
// Engine's own waits, few enough not to slow down what serves.
const parallel = 4

// each calls fn for 0 to n-1, at most limit at once, waits for all of them and
// joins their errors.
func each(n, limit int, fn func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	slots := make(chan struct{}, limit)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = fn(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
