package deploy

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Bounds of what is kept of a run's output, and of what waits for who looks on.
const (
	cronLines   = 200
	cronBytes   = 64 << 10
	cronBacklog = 1000
)

// cronOutput takes the lines of a run: the last ones are kept, and all of them
// are passed to one who looks on, who is never waited for. Secrets are taken out.
type cronOutput struct {
	redact func(string) string

	mu      sync.Mutex
	partial string // an unfinished line
	lines   []string
	more    chan string // to who looks on; closed with the run
	dropped int         // lines that did not fit into more
	ended   bool
}

func newCronOutput(env map[string]string) *cronOutput {
	return &cronOutput{redact: Redactor(env), more: make(chan string, cronBacklog)}
}

// Write takes output as it comes. It never fails.
func (o *cronOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		o.partial += line[:min(len(line), max(0, partialLimit-len(o.partial)))]
		if strings.HasSuffix(line, "\n") {
			o.endLine()
		}
	}
	return len(p), nil
}

// endLine finishes the unfinished line; with mu held.
func (o *cronOutput) endLine() {
	text := Clean(o.redact(strings.TrimRight(o.partial, "\r\n")), lineLimit)
	o.partial = ""
	if o.ended {
		return
	}
	if o.lines = append(o.lines, text); len(o.lines) > cronLines {
		o.lines = o.lines[1:]
	}
	select {
	case o.more <- text:
	default:
		o.dropped++
	}
}

// last gives the lines that are kept.
func (o *cronOutput) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.partial != "" {
		o.endLine()
	}
	size := 0
	for i := len(o.lines) - 1; i >= 0; i-- {
		if size += len(o.lines[i]); size > cronBytes {
			return slices.Clone(o.lines[i+1:])
		}
	}
	return slices.Clone(o.lines)
}

// end ends the output: nothing comes any more.
func (o *cronOutput) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.partial != "" {
		o.endLine()
	}
	o.ended = true
	close(o.more)
}

// follow writes the lines until the run ends. Its error is that of ctx, or of out.
func (o *cronOutput) follow(ctx context.Context, out io.Writer) error {
	for {
		select {
		case line, ok := <-o.more:
			if !ok {
				return o.sayDropped(out)
			}
			if _, err := io.WriteString(out, line+"\n"); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *cronOutput) sayDropped(out io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "(%s more than could be shown as fast as they came)\n", count(o.dropped, "line"))
	return err
}
