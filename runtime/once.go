package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// lastOutput is how long the output of a throw-away container may lag behind its end.
const lastOutput = 5 * time.Second

// Once runs argv, and not the image's own command, in a throw-away container;
// see deploy.Bench. When ctx ends the container is killed, and the error is
// that of ctx.
func (d *Docker) Once(ctx context.Context, release deploy.Release, argv []string, log io.Writer) (deploy.Exit, error) {
	if len(argv) == 0 {
		return deploy.Exit{}, fmt.Errorf("%s of %s: no command to run", release.Name(), release.App)
	}
	ticket := rand.Text()[:10]
	d.busy.Store(ticket, true)
	defer d.busy.Delete(ticket)
	exit, err := d.once(ctx, ticket, release, argv, log)
	if err != nil {
		return exit, fmt.Errorf("cannot run %s in %s of %s: %w", deploy.Clean(argv[0], 80), release.Name(), release.App, err)
	}
	return exit, nil
}

func (d *Docker) once(ctx context.Context, ticket string, r deploy.Release, argv []string, log io.Writer) (exit deploy.Exit, err error) {
	lan, err := d.network(ctx, r.App)
	if err != nil {
		return exit, err
	}
	if err := d.volumes(ctx, r); err != nil {
		return exit, err
	}
	name := fmt.Sprintf("teal-%s-%s-once-%s", d.config.Namespace, r.App, ticket)
	id, err := d.create(ctx, name, d.onceBody(r, argv, ticket, lan), deploy.StepRelease)
	if err != nil && (errors.Is(err, deploy.ErrEngineAway) || ctx.Err() != nil) {
		return exit, errors.Join(err, d.dropNamed(ctx, name))
	}
	if err != nil {
		return exit, err
	}
	defer func() {
		ctx, cancel := d.cleanUp(ctx)
		defer cancel()
		if failed := d.discard(ctx, id); failed != nil {
			d.config.Log.Warn("a throw-away container is left; it is removed when the Engine is back", "app", r.App, "instance", id, "error", failed)
		}
	}()
	return d.runOnce(ctx, id, log)
}

// onceBody is the throw-away container: as an instance, but with a command of
// its own, no color, and an address that no instance has.
func (d *Docker) onceBody(r deploy.Release, argv []string, ticket string, lan lan) body {
	config := common(r, "")
	config.Entrypoint = argv
	config.Labels = map[string]string{
		labelNamespace: d.config.Namespace,
		labelApp:       string(r.App),
		labelRelease:   fmt.Sprint(r.Number),
		labelOnce:      ticket,
	}
	return body{config, d.hardened(r, lan), lan.endpoint(netip.Addr{})}
}

// runOnce starts the container and returns when it has ended and its output was
// written. The output is read from the Engine's log, from its beginning, and
// not by attaching: that call of the client can't be canceled.
func (d *Docker) runOnce(ctx context.Context, id string, log io.Writer) (exit deploy.Exit, err error) {
	if err := d.start(ctx, id, deploy.StepRelease); err != nil {
		return exit, err
	}
	reading, stop := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		d.copyOutput(reading, id, log)
	}()
	defer func() {
		stop()
		<-written
	}()
	if err := d.awaitExit(ctx, id); err != nil {
		return exit, err
	}
	late := time.NewTimer(lastOutput)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
	case <-ctx.Done():
	}
	c, err := d.inspectEnd(ctx, id)
	if err != nil {
		return exit, err
	}
	_, exit = judge(c.State)
	return exit, nil
}

// copyOutput writes the container's lines, each in one piece, until it ends.
func (d *Docker) copyOutput(ctx context.Context, id string, log io.Writer) {
	stream, err := d.engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return // the Engine is away or ctx has ended: what waits for the exit says so
	}
	defer stream.Close()
	_ = split(stream, func(line string) { _, _ = io.WriteString(log, line+"\n") })
}

// awaitExit waits until the container has ended.
func (d *Docker) awaitExit(ctx context.Context, id string) error {
	inner, cancel := context.WithCancel(ctx)
	ended, failed := d.engine.ContainerWait(inner, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
		cancel()
		return nil
	case err := <-failed:
		cancel()
		return sayAway(ctx, err)
	case <-ctx.Done():
	}
	cancel()
	select { // one of them comes at once: let the client's goroutine go
	case <-ended:
	case <-failed:
	}
	return context.Cause(ctx)
}

// dropNamed removes a throw-away container that may have been made by a call
// whose answer never came.
func (d *Docker) dropNamed(ctx context.Context, name string) error {
	ctx, cancel := d.cleanUp(ctx)
	defer cancel()
	err := d.discard(ctx, name)
	if errors.Is(err, deploy.ErrEngineAway) {
		return nil // the sweep after its return finds it
	}
	return err
}

// Sweep removes throw-away containers that no call of this process uses: what
// an earlier process, or an Engine that went away, left behind. Run calls it
// whenever it has reached the Engine.
func (d *Docker) Sweep(ctx context.Context) error { return d.sweep(ctx, "") }

func (d *Docker) sweep(ctx context.Context, app deploy.AppName) error {
	f := d.mine(app)
	f.Add("label", labelOnce)
	list, err := d.containers(ctx, f)
	if err != nil {
		return fmt.Errorf("cannot look for left-over containers: %w", err)
	}
	var errs []error
	for _, c := range list {
		if _, used := d.busy.Load(c.Labels[labelOnce]); used {
			continue
		}
		if err := d.discard(ctx, c.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("cannot remove the left-over container %.12s: %w", c.ID, err))
		}
	}
	return errors.Join(errs...)
}
