package prooftest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/router"
)

// TestPromotionsUnderLoadFailDoubleAndMisrouteNothing promotes two apps again
// and again under every kind of request. In full: 100 promotions and a million
// requests.
func TestPromotionsUnderLoadFailDoubleAndMisrouteNothing(t *testing.T) {
	promotions, requests := scaled(8, 100), scaled(2000, 1_000_000)
	w := startRouter(t, router.Limits{})
	l := newLedger()
	apps := []*promoted{newPromoted(t, w, "shop", l), newPromoted(t, w, "blog", l)}
	load := startAskers(w, apps)
	for n := range promotions {
		load.awaitRequests(t, (n+1)*requests/(promotions+1))
		apps[n%len(apps)].promote(t)
	}
	load.awaitRequests(t, requests)
	load.stop()
	l.judge(t, int(load.answered.Load()))
	for i, err := range load.failures {
		if i < 20 {
			t.Error(err)
		}
	}
	var cut int
	for _, a := range apps {
		cut += a.cut
	}
	t.Logf("%d promotions, %d requests, %d failed or misrouted, %d delivered twice, %d cut", promotions, load.answered.Load(), len(load.failures), len(l.twice), cut)
	t.Logf("%s", load.byKind())
	if cut > 0 {
		t.Errorf("%d requests were cut by a drain", cut)
	}
}

// promoted is an app that is promoted again and again.
type promoted struct {
	w       switcher
	name    string
	ledger  *ledger
	release int
	current instance
	floor   atomic.Int64 // set once Point has returned
	cut     int
}

func newPromoted(t *testing.T, w switcher, name string, l *ledger) *promoted {
	t.Helper()
	a := &promoted{w: w, name: name, ledger: l}
	a.next(t)
	return a
}

func (a *promoted) host() string { return a.name + ".test" }

// next starts the next release and points the router at it, and gives the instance before.
func (a *promoted) next(t *testing.T) (before instance) {
	t.Helper()
	a.release++
	before, a.current = a.current, startInstance(t, a.name, a.release, a.ledger)
	a.w.point(routeTo(a.name, a.release, a.current.addr, a.host()))
	a.floor.Store(int64(a.release))
	return before
}

// promote is what the core does: point, drain, release, stop.
func (a *promoted) promote(t *testing.T) {
	t.Helper()
	old := a.release
	before := a.next(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	a.cut += a.w.replaced(ctx, a.name, old)
	before.stop()
}

// askers is the load.
type askers struct {
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	answered atomic.Int64
	clients  []*asker

	mu       sync.Mutex
	failures []error
}

// startAskers starts four clients of each kind for each app, and one for large answers.
func startAskers(w switcher, apps []*promoted) *askers {
	ctx, cancel := context.WithCancel(context.Background())
	l := &askers{cancel: cancel}
	plain, secure := w.addrs()
	for _, a := range apps {
		for _, k := range kinds {
			clients := 4
			if k.large {
				clients = 1
			}
			for range clients {
				c := &asker{kind: k, id: fmt.Sprint(len(l.clients)), app: a.name, host: a.host(), addr: plain, floor: &a.floor}
				if k.secure {
					c.addr = secure
				}
				l.clients = append(l.clients, c)
				l.wg.Go(func() { l.run(ctx, c) })
			}
		}
	}
	return l
}

func (l *askers) run(ctx context.Context, c *asker) {
	defer c.close()
	for ctx.Err() == nil {
		if err := c.ask(); err != nil {
			l.mu.Lock()
			l.failures = append(l.failures, err)
			l.mu.Unlock()
			continue
		}
		l.answered.Add(1)
		if c.large {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func (l *askers) awaitRequests(t *testing.T, n int) {
	t.Helper()
	eventually(t, scaled(2*time.Minute, time.Hour), fmt.Sprintf("%d requests are answered", n), func() bool {
		return l.answered.Load() >= int64(n) || l.broken()
	})
}

// broken: so much failed that there is no use in going on.
func (l *askers) broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures) > 100
}

func (l *askers) stop() {
	l.cancel()
	l.wg.Wait()
}

func (l *askers) byKind() string {
	counts := map[string]int{}
	for _, c := range l.clients {
		counts[c.name] += c.asked
	}
	var out []string
	for _, k := range kinds {
		out = append(out, fmt.Sprintf("%s %d", k.name, counts[k.name]))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
