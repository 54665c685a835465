package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// oomMemory is how long after its end a container's events are asked for: about
// as long as the Engine remembers them when there is much going on.
const oomMemory = time.Minute

// inspectEnd inspects a container that has ended. Under load the word that the
// kernel killed a container for its memory gets lost on its way to the Engine
// (one time in thirty was measured, and more), so it is not believed when it says that a
// killed one was killed for no reason.
func (d *Docker) inspectEnd(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := d.inspect(ctx, id)
	if err != nil || c.State.ExitCode != killed || c.State.OOMKilled {
		return c, err
	}
	began, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	ended, err2 := time.Parse(time.RFC3339Nano, c.State.FinishedAt)
	if err != nil || err2 != nil || time.Since(ended) > oomMemory {
		return c, nil
	}
	if began.After(ended) { // it was dead before the Engine had noted its start
		began = ended.Add(-time.Second)
	}
	c.State.OOMKilled, err = d.killedByKernel(ctx, id, began)
	return c, err
}

// killed is the exit code of a process that got SIGKILL.
const killed = 137

// killedByKernel reads what happened to a container. One that was killed, and
// not by the Engine, was killed by the kernel. (Or by a person with kill -9 on
// the host, who knows.) Without the event of its death nothing is certain.
func (d *Docker) killedByKernel(ctx context.Context, id string, since time.Time) (bool, error) {
	stamp := func(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
	var died, oom, byEngine bool
	err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
		messages, end := d.engine.Events(ctx, events.ListOptions{
			Since: stamp(since), Until: stamp(time.Now()),
			Filters: filters.NewArgs(filters.Arg("container", id)),
		})
		for {
			select {
			case m := <-messages:
				died = died || m.Action == events.ActionDie
				oom = oom || m.Action == events.ActionOOM
				byEngine = byEngine || m.Action == events.ActionKill
			case err := <-end:
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	return oom || died && !byEngine, err
}
