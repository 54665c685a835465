package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// Stop stops every instance of the release, all at once; see deploy.Runtime.
// Neither the restart policy nor a restart of the Engine starts them again.
func (d *Docker) Stop(ctx context.Context, app deploy.AppName, release int, timeout time.Duration) error {
	there, err := d.heldOf(ctx, app, release)
	if err != nil {
		return fmt.Errorf("cannot stop %s of %s: %w", deploy.ReleaseName(release), app, err)
	}
	return d.stopAll(ctx, there, timeout)
}

// StopWorkers stops the instances of the release's workers; see deploy.Runtime.
func (d *Docker) StopWorkers(ctx context.Context, app deploy.AppName, release int, timeout time.Duration) error {
	there, err := d.heldOf(ctx, app, release)
	if err != nil {
		return fmt.Errorf("cannot stop the workers of %s of %s: %w", deploy.ReleaseName(release), app, err)
	}
	return d.stopAll(ctx, slices.DeleteFunc(there, func(h held) bool { return h.badge.process == "" }), timeout)
}

func (d *Docker) stopAll(ctx context.Context, all []held, timeout time.Duration) error {
	return each(len(all), deploy.MaxInstances, func(i int) error {
		if err := d.stop(ctx, all[i], timeout); err != nil {
			return fmt.Errorf("cannot stop %s: %w", all[i].badge, err)
		}
		return nil
	})
}

// stop stops one. The Engine remembers that a running one was stopped on
// purpose, but not one that had ended by itself: that one's policy is changed.
func (d *Docker) stop(ctx context.Context, h held, timeout time.Duration) (err error) {
	switch h.state {
	case container.StateRunning, container.StateRestarting, container.StatePaused:
		s := seconds(timeout)
		err = d.call(ctx, time.Duration(s)*time.Second+2*d.config.CallTimeout, func(ctx context.Context) error {
			return d.engine.ContainerStop(ctx, h.id, container.StopOptions{Timeout: &s})
		})
	default:
		err = d.setPolicy(ctx, h.id, container.RestartPolicyDisabled)
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// Remove kills and removes every instance of the release, with its anonymous
// volumes; see deploy.Runtime.
func (d *Docker) Remove(ctx context.Context, app deploy.AppName, release int) error {
	there, err := d.heldOf(ctx, app, release)
	if err != nil {
		return fmt.Errorf("cannot remove %s of %s: %w", deploy.ReleaseName(release), app, err)
	}
	return each(len(there), parallel, func(i int) error {
		if err := d.discard(ctx, there[i].id); err != nil {
			return fmt.Errorf("cannot remove %s: %w", there[i].badge, err)
		}
		return nil
	})
}
