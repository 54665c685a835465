package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"

	"teal/deploy"
)

// The pause before Run tries to reach the Engine again grows from the first
// to the second.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Run watches the Engine until ctx ends, and feeds Changes. An Engine that goes
// away is waited for; when it is back everything may have changed, since it
// keeps no events over a restart.
func (d *Docker) Run(ctx context.Context) error {
	var away time.Time
	retry := firstRetry
	for {
		err := d.watch(ctx, func() {
			if !away.IsZero() {
				d.config.Log.Info("the container engine answers again", "duration", d.config.Now().Sub(away).Round(time.Millisecond))
			}
			away, retry = time.Time{}, firstRetry
			d.bell.ring()
		})
		if ctx.Err() != nil {
			return nil
		}
		if away.IsZero() {
			away = d.config.Now()
			d.config.Log.Warn("the container engine does not answer: what runs goes on serving, nothing can be deployed; trying again", "error", err)
		}
		if pause(ctx, retry) != nil {
			return nil
		}
		retry = min(2*retry, lastRetry)
	}
}

// echoAfter is when the bell rings again after the last event: the Engine tells
// of an end before its lists show it, by some milliseconds or, on a busy
// machine, by seconds, so the first look may be too early.
var echoAfter = []time.Duration{300 * time.Millisecond, time.Second, 4 * time.Second}

// watch reads events for as long as the Engine answers. It calls reached once,
// when events are being heard, so that nothing falls between the list that the
// listener now makes and the first event.
func (d *Docker) watch(ctx context.Context, reached func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, failed, err := d.events(ctx, cancel)
	if err != nil {
		return err
	}
	if err := d.Sweep(ctx); err != nil {
		if errors.Is(err, deploy.ErrEngineAway) {
			return err
		}
		d.config.Log.Warn("left-over containers stay", "error", err)
	}
	reached()
	beat := time.NewTicker(d.config.Heartbeat)
	defer beat.Stop()
	// A call that was cut off may still make a container, after the first look.
	echo, echoes := time.NewTimer(echoAfter[0]), echoAfter[1:]
	defer echo.Stop()
	for {
		select {
		case m := <-messages:
			if m.Actor.Attributes[labelOnce] == "" {
				d.bell.ring()
				echoes = echoAfter[1:]
				echo.Reset(echoAfter[0])
			}
		case <-echo.C:
			d.bell.ring()
			if len(echoes) > 0 {
				echo.Reset(echoes[0])
				echoes = echoes[1:]
			}
		case err := <-failed:
			return fmt.Errorf("the stream of events ended: %w", err)
		case <-beat.C:
			// An Engine that hangs keeps its streams open: here it shows.
			if err := d.endProbation(ctx); err != nil {
				return err
			}
		}
	}
}

// events subscribes to what may change the set of instances. The subscription
// itself has a deadline; an Engine that hangs would never answer it.
func (d *Docker) events(ctx context.Context, cancel func()) (<-chan events.Message, <-chan error, error) {
	late := time.AfterFunc(d.config.CallTimeout, cancel)
	f := d.mine("")
	f.Add("type", string(events.ContainerEventType))
	for _, what := range []events.Action{
		events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionDestroy, events.ActionPause, events.ActionUnPause,
	} {
		f.Add("event", string(what))
	}
	messages, failed := d.engine.Events(ctx, events.ListOptions{Filters: f})
	if !late.Stop() {
		return nil, nil, fmt.Errorf("%w: no events in %s", deploy.ErrEngineAway, d.config.CallTimeout)
	}
	select {
	case err := <-failed:
		return nil, nil, sayAway(ctx, err)
	default:
		return messages, failed, nil
	}
}

// Changes tells when the set of instances may have changed by itself; see
// deploy.Bench. Run feeds it.
func (d *Docker) Changes(ctx context.Context) <-chan struct{} { return d.bell.listen(ctx) }

// bell wakes everyone who listens. A listener that has not looked since the
// last ring is not rung twice.
type bell struct {
	mu        sync.Mutex
	listeners map[chan struct{}]bool
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (b *bell) listen(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[chan struct{}]bool{}
	}
	b.listeners[c] = true
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, c)
		close(c)
	})
	return c
}
