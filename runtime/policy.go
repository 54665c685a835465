package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// setPolicy says whether the Engine restarts a container by itself.
func (d *Docker) setPolicy(ctx context.Context, id string, mode container.RestartPolicyMode) error {
	return d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
		_, err := d.engine.ContainerUpdate(ctx, id, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: mode}})
		return err
	})
}

// endProbation lets the Engine restart the instances that have run for long
// enough. Stop ends that again.
func (d *Docker) endProbation(ctx context.Context) error {
	all, err := d.held(ctx, "")
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.state != container.StateRunning {
			continue
		}
		if err := d.trust(ctx, h); errors.Is(err, deploy.ErrEngineAway) {
			return err
		} else if err != nil {
			d.config.Log.Debug("an instance stays without a restart policy", "app", h.badge.app, "instance", h.id, "error", err)
		}
	}
	return nil
}

func (d *Docker) trust(ctx context.Context, h held) error {
	c, err := d.inspect(ctx, h.id)
	if err != nil || c.HostConfig.RestartPolicy.Name == container.RestartPolicyUnlessStopped {
		return err
	}
	began, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil || !c.State.Running || time.Since(began) < d.config.Probation {
		return err
	}
	return d.setPolicy(ctx, h.id, container.RestartPolicyUnlessStopped)
}
