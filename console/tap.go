package console

import (
	"sync"
	"time"

	"teal/deploy"
)

// tap is an open feed of the engine: a channel, and how to let go of it.
type tap[T any] struct {
	C       <-chan T
	Dropped func() bool // C closed because its reader was too slow
	Close   func()
}

// feeds makes taps of what the engine gives. A nil tap of watch means that the
// deployment is not under way.
func feeds(e Engine) (watch func(deploy.DeploymentID) *tap[deploy.LogLine], subscribe func(deploy.AppName) *tap[deploy.Event]) {
	watch = func(id deploy.DeploymentID) *tap[deploy.LogLine] {
		w := e.Watch(id)
		if w == nil {
			return nil
		}
		return &tap[deploy.LogLine]{C: w.C, Dropped: w.Dropped, Close: w.Close}
	}
	subscribe = func(app deploy.AppName) *tap[deploy.Event] {
		s := e.Subscribe(app)
		if s == nil {
			return nil
		}
		return &tap[deploy.Event]{C: s.C, Close: s.Close}
	}
	return watch, subscribe
}

// Bounds of event streams. Each costs a goroutine, a connection and a buffer
// in the engine.
const (
	streamsAll  = 256
	streamsEach = 24 // per user
	streamLife  = 10 * time.Minute
	streamBeat  = 15 * time.Second // between two looks at whether the visitor may still watch
	writeWait   = 20 * time.Second // for one write to a slow browser
)

// streamGate counts the streams that are open.
type streamGate struct {
	mu  sync.Mutex
	all int            // guarded by mu
	by  map[string]int // by user; guarded by mu
}

func newStreamGate() *streamGate { return &streamGate{by: map[string]int{}} }

// enter takes a place; leave must be called when ok.
func (g *streamGate) enter(user string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= streamsAll || g.by[user] >= streamsEach {
		return nil, false
	}
	g.all++
	g.by[user]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		if g.by[user]--; g.by[user] == 0 {
			delete(g.by, user)
		}
	}, true
}
