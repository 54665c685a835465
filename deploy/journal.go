package deploy

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of a deployment's log.
const (
	lineLimit    = 4 << 10 // bytes of one line; the rest of it is cut
	backlogLimit = 1000    // lines a new watcher is given
	watchBuffer  = 4096    // lines a watcher may be behind
	storeLimit   = 4 << 20 // bytes of one deployment's log that are stored
	pendingLimit = 20000   // lines that wait to be stored
	flushEvery   = 200 * time.Millisecond
)

// journal is the log of one deployment while it is under way: what the builder
// and the app's release command write, and Teal's own words. Writing never
// waits: not for the store (a goroutine flushes), not for watchers.
type journal struct {
	secrets *strings.Replacer
	now     func() time.Time

	mu       sync.Mutex
	partial  []byte // an unfinished line
	n        int    // number of the last line
	backlog  []LogLine
	pending  []LogLine // not stored yet
	stored   int       // bytes that were handed to the store
	cut      bool      // storeLimit was reached and noted
	watchers map[*Watcher]struct{}
	closed   bool
	kick     chan struct{} // something is pending
	ended    chan struct{} // closed with the journal
}

// Watcher receives log lines: first those there are (the last 1,000), then each
// as it is written. C closes when the deployment has settled, or when the
// watcher fell more than 4,096 lines behind (Dropped tells).
type Watcher struct {
	C       <-chan LogLine
	c       chan LogLine
	journal *journal
	dropped bool // guarded by journal.mu
}

func newJournal(secrets *strings.Replacer, now func() time.Time) *journal {
	return &journal{secrets: secrets, now: now, watchers: map[*Watcher]struct{}{}, kick: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Write takes output as it comes and splits it into lines. It never fails.
func (j *journal) Write(p []byte) (int, error) {
	n := len(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		j.line(append(j.partial, p[:i]...))
		j.partial = j.partial[:0]
		p = p[i+1:]
	}
	if room := lineLimit*2 - len(j.partial); len(p) > room {
		p = p[:max(room, 0)]
	}
	j.partial = append(j.partial, p...)
	return n, nil
}

// say writes one of Teal's own lines.
func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.partial) > 0 {
		j.line(j.partial)
		j.partial = j.partial[:0]
	}
	j.line(fmt.Appendf(nil, format, args...))
}

// line must be called with mu held.
func (j *journal) line(b []byte) {
	if j.closed {
		return
	}
	text := Clean(j.secrets.Replace(strings.TrimRight(string(b), "\r")), lineLimit)
	j.n++
	l := LogLine{N: j.n, At: j.now(), Text: text}
	if len(j.backlog) >= 2*backlogLimit {
		j.backlog = append(j.backlog[:0], j.backlog[backlogLimit:]...)
	}
	j.backlog = append(j.backlog, l)
	for w := range j.watchers {
		select {
		case w.c <- l:
		default:
			w.dropped = true
			j.leave(w)
		}
	}
	j.keep(l)
}

// keep puts a line up for the store, within bounds; with mu held.
func (j *journal) keep(l LogLine) {
	switch {
	case j.cut:
		return
	case j.stored+len(l.Text) > storeLimit || len(j.pending) >= pendingLimit:
		j.cut = true
		l.Text = "… the log goes on, but no more of it is kept"
	}
	j.stored += len(l.Text)
	j.pending = append(j.pending, l)
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// tail gives the last n lines.
func (j *journal) tail(n int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := max(0, len(j.backlog)-n)
	out := make([]string, 0, n)
	for _, l := range j.backlog[from:] {
		out = append(out, l.Text)
	}
	return out
}

func (j *journal) watch() *Watcher {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := make(chan LogLine, watchBuffer)
	w := &Watcher{C: c, c: c, journal: j}
	for _, l := range j.backlog[max(0, len(j.backlog)-backlogLimit):] {
		c <- l // fits: backlogLimit < watchBuffer
	}
	if j.closed {
		close(c)
		return w
	}
	j.watchers[w] = struct{}{}
	return w
}

// leave must be called with mu held.
func (j *journal) leave(w *Watcher) {
	if _, ok := j.watchers[w]; ok {
		delete(j.watchers, w)
		close(w.c)
	}
}

// close ends the log: every watcher's C closes after the last line.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.partial) > 0 {
		j.line(j.partial)
		j.partial = nil
	}
	j.closed = true
	for w := range j.watchers {
		j.leave(w)
	}
	close(j.ended)
}

// flush stores lines until the journal is closed and all is stored.
func (j *journal) flush(ctx context.Context, put func(context.Context, []LogLine) error) error {
	for {
		select {
		case <-j.kick:
		case <-j.ended:
		}
		j.mu.Lock()
		lines, last := j.pending, j.closed
		j.pending = nil
		j.mu.Unlock()
		if len(lines) > 0 {
			if err := put(ctx, lines); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		pauseUntil(j.ended, flushEvery)
	}
}

// Dropped tells whether C was closed because its reader was too slow.
func (w *Watcher) Dropped() bool {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.dropped
}

// Close stops watching. It may be called twice.
func (w *Watcher) Close() {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	w.journal.leave(w)
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

// redactor replaces the values of secrets. Short values are left alone: to
// replace every "1" or "true" would make a log unreadable and hides nothing.
func redactor(envs ...map[string]string) *strings.Replacer {
	const shortest = 6
	found := map[string]bool{}
	for _, env := range envs {
		for _, v := range env {
			found[v] = true
			// Output comes in lines: so does a secret of several.
			for l := range strings.SplitSeq(v, "\n") {
				found[strings.TrimSpace(l)] = true
			}
		}
	}
	secrets := slices.Collect(maps.Keys(found))
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) < shortest })
	// Longest first: a secret that begins like another must not leave its end behind.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(secrets))
	for _, s := range secrets {
		pairs = append(pairs, s, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}
