package deploy

import "sync"

// feedBuffer is how many events a subscriber may be behind before it is dropped.
const feedBuffer = 256

// feed tells events to those who watch. A slow one is dropped, never waited for.
type feed struct {
	mu   sync.Mutex
	subs map[*Subscription]AppName
	over bool
}

// Subscription receives events.
type Subscription struct {
	C    <-chan Event
	c    chan Event
	feed *feed
}

func newFeed() *feed { return &feed{subs: map[*Subscription]AppName{}} }

func (f *feed) subscribe(app AppName) *Subscription {
	c := make(chan Event, feedBuffer)
	s := &Subscription{C: c, c: c, feed: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		close(c)
		return s
	}
	f.subs[s] = app
	return s
}

func (f *feed) publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s, app := range f.subs {
		if app != "" && app != e.App {
			continue
		}
		select {
		case s.c <- e:
		default:
			f.drop(s)
		}
	}
}

// drop must be called with mu held.
func (f *feed) drop(s *Subscription) {
	if _, ok := f.subs[s]; ok {
		delete(f.subs, s)
		close(s.c)
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for s := range f.subs {
		f.drop(s)
	}
}

// Close stops the subscription. It may be called twice.
func (s *Subscription) Close() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.drop(s)
}
