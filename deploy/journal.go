package deploy

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Bounds of a deployment's log.
const (
	lineLimit    = 4 << 10 // characters of one line; the rest of it is cut
	partialLimit = 8 << 10 // bytes of a line that are looked at
	backlogLimit = 1000    // lines a new watcher is given
	watchBuffer  = 4096    // lines a watcher may be behind
	// watchPatience is what a watcher may hold up the writer for, in all: a moment
	// without the processor is not a connection that is too slow.
	watchPatience = time.Second
	storeLimit    = 4 << 20 // bytes of one deployment's log that are stored
	pendingLimit  = 20000   // lines that wait to be stored
	flushEvery    = 200 * time.Millisecond
	// linesPerJob is more than one job's log can have stored: a deployment that
	// is taken up again goes on behind it.
	linesPerJob = 1 << 24
)

// journal is the log of one deployment while it is under way: what the builder
// and the app's release command write, and Teal's own words. Writing never waits
// for the store (a goroutine flushes), and for a watcher watchPatience at most.
type journal struct {
	now func() time.Time

	mu       sync.Mutex
	secrets  secrets
	partial  []byte // an unfinished line, the first partialLimit bytes of it
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
// watcher fell more than 4,096 lines behind, and held up the writer for a second
// in all (Dropped tells).
type Watcher struct {
	C       <-chan LogLine
	c       chan LogLine
	journal *journal
	// guarded by journal.mu
	dropped  bool
	patience time.Duration // that is left
}

// newJournal makes a journal whose first line is numbered after+1.
func newJournal(after int, now func() time.Time) *journal {
	return &journal{n: after, now: now, watchers: map[*Watcher]struct{}{}, kick: make(chan struct{}, 1), ended: make(chan struct{})}
}

// hide keeps the values of an environment out of the log from here on.
func (j *journal) hide(env map[string]string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.secrets.hide(env)
}

// redact takes the secrets out of a text that will be read elsewhere.
func (j *journal) redact(s string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.secrets.redact(s)
}

func (j *journal) redactAll(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = Clean(j.redact(l), 500)
	}
	return out
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
		j.extend(p[:i])
		j.endLine()
		p = p[i+1:]
	}
	j.extend(p)
	return n, nil
}

// extend adds to the unfinished line, within bounds; with mu held.
func (j *journal) extend(p []byte) {
	j.partial = append(j.partial, p[:min(len(p), partialLimit-len(j.partial))]...)
}

// endLine finishes the unfinished line; with mu held.
func (j *journal) endLine() {
	text := strings.TrimRight(string(j.partial), "\r")
	if len(j.partial) == partialLimit {
		text = j.secrets.redactCut(text)
	} else {
		text = j.secrets.redact(text)
	}
	j.partial = j.partial[:0]
	j.line(text, false)
}

// say writes one of Teal's own lines.
func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.partial) > 0 {
		j.endLine()
	}
	j.line(j.secrets.redact(fmt.Sprintf(format, args...)), true)
}

// line takes a line without secrets, maybe one of Teal's own; with mu held.
func (j *journal) line(text string, own bool) {
	if j.closed {
		return
	}
	j.n++
	l := LogLine{N: j.n, At: j.now(), Text: Clean(text, lineLimit)}
	if len(j.backlog) >= 2*backlogLimit {
		j.backlog = append(j.backlog[:0], j.backlog[backlogLimit:]...)
	}
	j.backlog = append(j.backlog, l)
	for w := range j.watchers {
		if !w.offer(l) {
			w.dropped = true
			j.leave(w)
		}
	}
	j.keep(l, own)
}

// offer gives the watcher a line, unless it is too far behind; with mu held.
func (w *Watcher) offer(l LogLine) bool {
	select {
	case w.c <- l:
		return true
	default:
	}
	if w.patience <= 0 {
		return false
	}
	began, late := time.Now(), time.NewTimer(w.patience)
	defer late.Stop()
	select {
	case w.c <- l:
		w.patience -= time.Since(began)
		return true
	case <-late.C:
		w.patience = 0
		return false
	}
}

// keep puts a line up for the store, within bounds; with mu held. Teal's own
// lines are few, and tell how it ended: they are kept in any case.
func (j *journal) keep(l LogLine, own bool) {
	switch {
	case own:
	case j.cut:
		return
	case j.stored+len(l.Text) >= storeLimit || len(j.pending) >= pendingLimit:
		j.cut = true
		l.Text = "… the log goes on, but no more of the app's own is kept"
	}
	j.stored += len(l.Text) + 1 // an empty line takes its place too
	j.pending = append(j.pending, l)
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// tail gives the last n lines.
func (j *journal) tail(n int) []string { return j.tailSince(0, n) }

// mark is the number of the last line, for tailSince.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.n
}

// tailSince gives the last n lines after line mark.
func (j *journal) tailSince(mark, n int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := max(0, len(j.backlog)-n)
	out := make([]string, 0, n)
	for _, l := range j.backlog[from:] {
		if l.N > mark {
			out = append(out, l.Text)
		}
	}
	return out
}

func (j *journal) watch() *Watcher {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := make(chan LogLine, watchBuffer)
	w := &Watcher{C: c, c: c, journal: j, patience: watchPatience}
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
	if j.closed {
		return
	}
	if len(j.partial) > 0 {
		j.endLine()
	}
	j.closed = true
	for w := range j.watchers {
		j.leave(w)
	}
	close(j.ended)
}

// flush stores lines until the journal is closed and all is stored. Lines that
// the store does not take wait for the next try; the last one is made when the
// journal is closed.
func (j *journal) flush(put func([]LogLine) error) error {
	for {
		select {
		case <-j.kick:
		case <-j.ended:
		}
		j.mu.Lock()
		lines, last := j.pending, j.closed
		j.pending = nil
		j.mu.Unlock()
		var err error
		if len(lines) > 0 {
			err = put(lines)
		}
		switch {
		case last:
			return err
		case err != nil:
			j.putBack(lines)
		}
		pauseUntil(j.ended, flushEvery)
	}
}

// putBack has lines that could not be stored tried again.
func (j *journal) putBack(lines []LogLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(lines, j.pending...)
	select {
	case j.kick <- struct{}{}:
	default:
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
