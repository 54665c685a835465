package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

var (
	// cacheMount is the part of a RUN line that a reader of the log does not need.
	cacheMount = regexp.MustCompile(`--mount=type=cache\S*\s+`)
	// execRun is a RUN line whose command is a list.
	execRun = regexp.MustCompile(`^(.*\bRUN )(\[.*\])$`)
)

// tailLines is how many of a failed step's last lines go into the failure.
const tailLines = 30

// progress writes what a build does as lines for a person:
//
//	#1 [build 1/4] FROM teal/go  cached
//	#2 [build 4/4] RUN go build -o /out/app .
//	   | main.go:12:2: undefined: x
//	#2 failed after 1.2s
//
// Steps that run at the same time interleave; a step's name is said again when
// another one spoke in between. It is used from one goroutine.
type progress struct {
	w     io.Writer
	limit int64 // bytes that may still be written; then one line says that the rest is left out
	cut   bool

	steps   map[string]*step // by digest of the vertex
	count   int              // steps shown so far
	speaker *step            // the step whose line was written last; nil: none, or its end was told
	latest  *step            // the step that was told of last
}

// step is one vertex as it is shown.
type step struct {
	vertex
	number  int   // 0: not shown yet
	written int64 // bytes of output that came; BuildKit keeps back what goes over its own limits
	clipped bool  // … and said so
	ended   bool  // its end was shown
	partial [3][]byte
	tails   [3]ring // the last lines by stream: what was written to standard error is not drowned by the rest
}

func newProgress(w io.Writer, limit int64) *progress {
	return &progress{w: w, limit: limit, steps: map[string]*step{}}
}

// say writes one line of Teal's own.
func (p *progress) say(format string, args ...any) {
	p.write(fmt.Sprintf(format, args...))
	p.speaker = nil
}

// take shows one message of progress.
func (p *progress) take(t trace) {
	for _, v := range t.vertices {
		s := p.steps[v.digest]
		if s == nil {
			s = &step{}
			p.steps[v.digest] = s
		}
		s.vertex = v
	}
	for _, o := range t.outputs {
		if s := p.steps[o.vertex]; s != nil && o.stream >= 0 && o.stream < len(s.partial) {
			s.written += int64(len(o.data))
			s.clipped = s.clipped || bytes.Contains(o.data, []byte("[output clipped, log limit "))
			p.output(s, o)
		}
	}
	// Ends last: the message that tells of the end may carry the last output.
	for _, v := range t.vertices {
		if s := p.steps[v.digest]; !v.completed.IsZero() && !s.ended {
			p.end(s)
		}
	}
	p.openNext()
}

// openNext says the names of RUN steps that are at work, before they say or end
// anything themselves. BuildKit calls a step started when it looks for it in the
// cache; it runs when the steps before it have ended.
func (p *progress) openNext() {
	for _, s := range p.steps {
		if s.number != 0 || s.started.IsZero() || s.ended || !strings.Contains(s.name, "] RUN ") {
			continue
		}
		if !slices.ContainsFunc(s.inputs, func(digest string) bool { return p.steps[digest] == nil || !p.steps[digest].ended }) {
			p.open(s)
		}
	}
}

// open says the step's name, once, and again after another step spoke.
func (p *progress) open(s *step) {
	if s.number != 0 && p.speaker == s {
		return
	}
	p.write(p.title(s))
	p.speaker, p.latest = s, s
}

// end says how the step ended: in one line when nothing was said of it yet.
func (p *progress) end(s *step) {
	for stream := range s.partial {
		p.flush(s, stream)
	}
	s.ended = true
	if s.hidden() && s.err == "" {
		return
	}
	how := "done in " + seconds(s.completed.Sub(s.started))
	switch {
	case s.err != "" && canceled(s.err):
		how = "canceled"
	case s.err != "":
		how = "failed after " + seconds(s.completed.Sub(s.started))
	case s.cached:
		how = "cached"
	}
	if s.number == 0 {
		p.write(p.title(s) + "  " + how)
	} else {
		p.write(fmt.Sprintf("#%d %s", s.number, how))
	}
	p.speaker, p.latest = nil, s
}

func (p *progress) title(s *step) string {
	if s.number == 0 {
		p.count++
		s.number = p.count
	}
	return fmt.Sprintf("#%d %s", s.number, s.title())
}

// output adds what a step wrote and shows the lines that are whole. A line
// without an end is shown in pieces, so that memory is bounded. They are marked
// as pieces: a secret may have been cut in two.
func (p *progress) output(s *step, o output) {
	for data := o.data; len(data) > 0; {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			s.partial[o.stream] = append(s.partial[o.stream], data...)
			for len(s.partial[o.stream]) > maxLine {
				piece, rest := s.partial[o.stream][:maxPiece], s.partial[o.stream][maxPiece:]
				p.line(s, o.stream, string(piece)+"…")
				s.partial[o.stream] = append([]byte("…"), rest...)
			}
			return
		}
		p.line(s, o.stream, string(s.partial[o.stream])+string(data[:i]))
		s.partial[o.stream] = nil
		data = data[i+1:]
	}
}

func (p *progress) flush(s *step, stream int) {
	if len(s.partial[stream]) > 0 {
		p.line(s, stream, string(s.partial[stream]))
		s.partial[stream] = nil
	}
}

func (p *progress) line(s *step, stream int, text string) {
	text = tidy(text)
	s.tails[stream].add(text)
	p.open(s)
	p.write(strings.TrimRight("   | "+text, " "))
}

// write writes one line within the limit. Who reads the log may be gone; the
// build does not end for that.
func (p *progress) write(line string) {
	if p.cut {
		return
	}
	if p.limit -= int64(len(line)) + 1; p.limit < 0 {
		p.cut = true
		line = "… log cut: the build goes on, but what it says is not kept any more"
	}
	_, _ = io.WriteString(p.w, line+"\n")
}

// failed gives the step that failed; nil when none did.
func (p *progress) failed() *step {
	var found *step
	for _, s := range p.steps {
		if s.err != "" && !canceled(s.err) && (found == nil || s.completed.Before(found.completed)) {
			found = s
		}
	}
	return found
}

// canceled tells whether a step ended only because another one failed, or the build was given up.
func canceled(err string) bool {
	return strings.HasSuffix(err, "context canceled")
}

// title is the step's name without what means nothing to the reader.
func (s *step) title() string {
	name := strings.ReplaceAll(s.name, "docker.io/teal/", "teal/")
	name = strings.ReplaceAll(name, "docker.io/library/", "")
	name = cacheMount.ReplaceAllString(name, "")
	if m := execRun.FindStringSubmatch(name); m != nil {
		var words []string
		if json.Unmarshal([]byte(m[2]), &words) == nil {
			name = m[1] + strings.Join(words, " ")
		}
	}
	return deploy.Clean(name, 160)
}

// hidden tells whether the step is BuildKit's own housekeeping.
func (s *step) hidden() bool {
	return strings.HasPrefix(s.name, "[internal]") || strings.HasPrefix(s.name, "copy /context") ||
		strings.HasPrefix(s.name, "exporting") || strings.HasPrefix(s.name, "resolve image config")
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
}

// last writes one line even when the log was cut: how the build ended is the
// line that must not be missing.
func (p *progress) last(format string, args ...any) {
	_, _ = io.WriteString(p.w, fmt.Sprintf(format, args...)+"\n")
}

// atWork gives the step that was still running, one that said something before
// one that did not; nil: none was.
func (p *progress) atWork() (found *step) {
	for _, s := range p.steps {
		if s.started.IsZero() || s.number == 0 || !s.completed.IsZero() && !canceled(s.err) {
			continue
		}
		if found == nil || s.written > found.written {
			found = s
		}
	}
	return found
}

// tail gives the step's last lines: of standard output first, for the order
// between the two streams is lost on the way here.
func (s *step) tail() []string {
	errs := s.tails[2].last(tailLines * 2 / 3)
	return append(s.tails[1].last(tailLines-len(errs)), errs...)
}
