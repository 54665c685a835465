package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// maxTail bounds how many lines of an instance are read back at once.
const maxTail = 10_000

// Tail gives the last n lines that an instance wrote on either output, oldest
// first, cleaned and none longer than 4 KiB. deploy.ErrNotFound: the instance is gone.
func (d *Docker) Tail(ctx context.Context, in deploy.Instance, n int) ([]string, error) {
	var lines []string
	err := d.readLogs(ctx, in.ID, container.LogsOptions{Tail: tailArg(n)}, func(r io.Reader) error {
		return split(r, func(line string) { lines = append(lines, line) })
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the output of %s %s.%d: %w", in.App, deploy.ReleaseName(in.Release), in.Index, err)
	}
	return lines[max(0, len(lines)-n):], nil
}

func tailArg(n int) string { return strconv.Itoa(min(max(n, 0), maxTail)) }

// readLogs hands the stream of an instance's output, as far as it goes now, to read.
func (d *Docker) readLogs(ctx context.Context, id string, o container.LogsOptions, read func(io.Reader) error) error {
	return d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
		o.ShowStdout, o.ShowStderr = true, true
		stream, err := d.engine.ContainerLogs(ctx, id, o)
		if errdefs.IsNotFound(err) {
			return fmt.Errorf("%w: %w", deploy.ErrNotFound, err)
		}
		if err != nil {
			return err
		}
		defer stream.Close()
		return read(stream)
	})
}

// entry is one line of an instance's output and when it was written.
type entry struct {
	at   time.Time
	text string
}

// entries reads a stream that was asked for with timestamps: each frame begins
// with one, also a frame that goes on with a long line.
func entries(r io.Reader, emit func(entry)) error {
	var both [3]splitter
	var at [3]time.Time
	for i := range both {
		both[i].emit = func(line string) { emit(entry{at[i], line}) }
	}
	err := demux(r, func(stream byte, p []byte) {
		if stamp, rest, ok := bytes.Cut(p, []byte(" ")); ok {
			if t, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil {
				at[stream], p = t, rest
			}
		}
		both[stream].write(p)
	})
	both[1].flush()
	both[2].flush()
	return err
}

// Logs writes the last lines of all running instances of the app, merged in the
// order in which they were written, each line in one Write and headed by its
// instance:
//
//	green v14.1 | listening on :8080
//
// With follow it goes on with what they write from then on, and with what
// instances write that are started later, until ctx ends, which is no error.
// Without, it is deploy.ErrNothing when no instance runs.
func (d *Docker) Logs(ctx context.Context, app deploy.AppName, follow bool, lines int, w io.Writer) error {
	f := &follower{docker: d, app: app, w: w, began: d.config.Now(), last: map[string]time.Time{}}
	running, err := f.running(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the output of %s: %w", app, err)
	}
	if len(running) == 0 && !follow {
		return fmt.Errorf("no instance of %s runs: %w", app, deploy.ErrNothing)
	}
	if err := f.history(ctx, running, lines); err != nil {
		return fmt.Errorf("cannot read the output of %s: %w", app, err)
	}
	if !follow {
		return nil
	}
	if err := f.run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("cannot follow the output of %s: %w", app, err)
	}
	return nil
}

func prefix(b badge) string {
	return fmt.Sprintf("%s %s | ", b.color, b.seat())
}

// since asks for what was written after t.
func since(t time.Time) string {
	t = t.Add(time.Nanosecond)
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

// gone tells whether an instance vanished while its output was read, which
// happens when a release is replaced.
func gone(err error) bool {
	return errors.Is(err, deploy.ErrNotFound) || err != nil && strings.Contains(err.Error(), "can not get logs from container which is dead")
}
