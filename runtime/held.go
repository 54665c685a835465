package runtime

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"teal/deploy"
)

// held is an instance's container as the Engine lists it.
type held struct {
	id    string
	state container.ContainerState
	badge badge
}

// held gives the instances of an app, or of all with "", in order.
func (d *Docker) held(ctx context.Context, app deploy.AppName) ([]held, error) {
	list, err := d.containers(ctx, d.mine(app))
	if err != nil {
		return nil, err
	}
	var all []held
	for _, c := range list {
		if b, ok := d.badge(c.Labels); ok {
			all = append(all, held{c.ID, c.State, b})
		}
	}
	slices.SortFunc(all, func(a, b held) int {
		if c := strings.Compare(string(a.badge.app), string(b.badge.app)); c != 0 {
			return c
		}
		if a.badge.release != b.badge.release {
			return a.badge.release - b.badge.release
		}
		if c := strings.Compare(a.badge.process, b.badge.process); c != 0 {
			return c // web, which is "", first
		}
		return a.badge.index - b.badge.index
	})
	return all, nil
}

// heldOf gives the instances of one release, in whatever color they are.
func (d *Docker) heldOf(ctx context.Context, app deploy.AppName, release int) ([]held, error) {
	all, err := d.held(ctx, app)
	return slices.DeleteFunc(all, func(h held) bool { return h.badge.release != release }), err
}

func (d *Docker) containers(ctx context.Context, f filters.Args) (list []container.Summary, err error) {
	err = d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
		list, err = d.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
		return err
	})
	return list, err
}

func (d *Docker) inspect(ctx context.Context, id string) (c container.InspectResponse, err error) {
	err = d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
		c, err = d.engine.ContainerInspect(ctx, id)
		return err
	})
	return c, err
}

// discard removes a container, running or not, with its anonymous volumes. One
// that is gone, or that someone else is removing, is no error.
func (d *Docker) discard(ctx context.Context, id string) error {
	err := d.call(ctx, d.config.BootTimeout, func(ctx context.Context) error {
		return d.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case errdefs.IsConflict(err):
		return d.awaitRemoval(ctx, id)
	}
	return err
}

// awaitRemoval waits for a removal that is under way already.
func (d *Docker) awaitRemoval(ctx context.Context, id string) error {
	err := d.call(ctx, d.config.BootTimeout, func(ctx context.Context) error {
		ended, failed := d.engine.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case <-ended:
			return nil
		case err := <-failed:
			return err
		}
	})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
