package runtime

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// List gives every instance of every app, by app, release and index. One that
// waits for the Engine to restart it after a crash counts as not running, with
// the exit of that crash.
func (d *Docker) List(ctx context.Context) ([]deploy.Instance, error) {
	all, err := d.held(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("cannot list instances: %w", err)
	}
	list := make([]deploy.Instance, len(all))
	gone := make([]bool, len(all))
	err = each(len(all), parallel, func(i int) (err error) {
		list[i], gone[i], err = d.instance(ctx, all[i])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list instances: %w", err)
	}
	kept := list[:0]
	for i := range list {
		if !gone[i] {
			kept = append(kept, list[i])
		}
	}
	return kept, nil
}

// instance completes what was listed. Only of an instance that does not run is
// there more to ask.
func (d *Docker) instance(ctx context.Context, h held) (in deploy.Instance, gone bool, err error) {
	in = h.badge.instance(h.id)
	if in.Running = h.state == container.StateRunning; in.Running {
		return in, false, nil
	}
	c, err := d.inspectEnd(ctx, h.id)
	if errdefs.IsNotFound(err) {
		return in, true, nil
	}
	if err != nil {
		return in, false, err
	}
	in.Running, in.Exit = judge(c.State)
	return in, false, nil
}

// judge says whether a container runs, and else how it ended.
func judge(s *container.State) (running bool, exit deploy.Exit) {
	if s.Running && !s.Restarting && !s.Paused {
		return true, deploy.Exit{}
	}
	return false, deploy.Exit{Code: s.ExitCode, OOM: s.OOMKilled}
}
