package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// Start makes the spec true; see deploy.Runtime. An instance that ends at once
// is no error of Start: it is returned as not running, with its exit. A
// container that can't be started, or whose command is not there, is a
// *deploy.Failure.
func (d *Docker) Start(ctx context.Context, spec deploy.Spec) ([]deploy.Instance, error) {
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	release, err := d.apps.acquire(ctx, string(spec.Release.App))
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := d.seating(ctx, spec)
	if err != nil {
		return nil, err
	}
	list := make([]deploy.Instance, len(s.seats))
	err = each(len(list), parallel, func(i int) error {
		if err := d.fill(ctx, s, &s.seats[i]); err != nil {
			return fmt.Errorf("cannot start %s: %w", s.seats[i].badge, err)
		}
		var err error
		list[i], err = d.settle(ctx, s.seats[i])
		return err
	})
	if err != nil {
		return nil, plainest(err)
	}
	return list, nil
}

// plainest picks a failure that a person can act upon from the errors of
// several instances, which mostly say the same.
func plainest(err error) error {
	var f *deploy.Failure
	if errors.As(err, &f) {
		return f
	}
	return err
}

func checkSpec(s deploy.Spec) error {
	if s.Color != deploy.Blue && s.Color != deploy.Green {
		return fmt.Errorf("cannot start %s of %s: %q is no color", s.Release.Name(), s.Release.App, s.Color)
	}
	if n := s.Release.Settings.Instances; n < 1 || n > deploy.MaxInstances {
		return fmt.Errorf("cannot start %s of %s: %d instances, allowed are 1 to %d", s.Release.Name(), s.Release.App, n, deploy.MaxInstances)
	}
	return nil
}

// seating is the plan of one Start: a seat per instance.
type seating struct {
	spec  deploy.Spec
	lan   lan
	seats []seat

	mu   sync.Mutex
	used map[netip.Addr]bool // guarded by mu
}

// seat is the place of one instance. Its id is "" until it has a container.
type seat struct {
	id    string
	state container.ContainerState
	badge badge
	argv  []string // nil: the image's own command
	began bool     // by this Start
}

// seats are what the spec wants to be there, web first.
func seats(spec deploy.Spec) []seat {
	var all []seat
	add := func(process string, argv []string, n int) {
		print := fingerprint(spec.Release, argv)
		for i := range n {
			all = append(all, seat{argv: argv, badge: badge{
				app: spec.Release.App, color: spec.Color, release: spec.Release.Number, process: process, index: i + 1, spec: print,
			}})
		}
	}
	s := spec.Release.Settings
	add("", s.Web, s.Instances)
	if spec.Workers {
		for _, p := range s.Workers {
			add(p.Name, p.Argv, p.Instances)
		}
	}
	return all
}

// address takes an address that no instance has.
func (s *seating) address(index int) (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr, err := s.lan.free(s.used, s.spec.Release.Number, index)
	s.used[addr] = true
	return addr, err
}

// seating looks at what is there. It removes containers of this release that
// are in the other color, were made from something else, or are not wanted.
func (d *Docker) seating(ctx context.Context, spec deploy.Spec) (*seating, error) {
	lan, err := d.network(ctx, spec.Release.App)
	if err != nil {
		return nil, err
	}
	if err := d.volumes(ctx, spec.Release); err != nil {
		return nil, err
	}
	there, err := d.held(ctx, spec.Release.App)
	if err != nil {
		return nil, fmt.Errorf("cannot list the instances of %s: %w", spec.Release.App, err)
	}
	s := &seating{spec: spec, lan: lan, used: map[netip.Addr]bool{}, seats: seats(spec)}
	for _, h := range there {
		if h.badge.release == spec.Release.Number && !s.takes(h) {
			d.config.Log.Info("removing a left-over instance", "app", h.badge.app, "color", h.badge.color, "release", h.badge.release, "instance", h.id)
			if err := d.discard(ctx, h.id); err != nil {
				return nil, fmt.Errorf("cannot remove the left-over instance %s: %w", h.badge, err)
			}
			continue
		}
		s.used[h.badge.address] = true
	}
	return s, nil
}

// takes gives the container its seat, if it is what the seat should hold.
func (s *seating) takes(h held) bool {
	if h.badge.process != "" && !s.spec.Workers && h.badge.color == s.spec.Color {
		return true // left alone
	}
	i := slices.IndexFunc(s.seats, func(x seat) bool { return x.badge.process == h.badge.process && x.badge.index == h.badge.index })
	if i < 0 || h.state == container.StateDead || h.state == container.StateRemoving {
		return false
	}
	seat := &s.seats[i]
	if seat.id != "" || h.badge.color != seat.badge.color || h.badge.spec != seat.badge.spec {
		return false
	}
	if !s.lan.subnet.Contains(h.badge.address) {
		return false // the network was made anew since
	}
	seat.id, seat.state, seat.badge = h.id, h.state, h.badge
	return true
}

// fill makes the seat's container exist and run.
func (d *Docker) fill(ctx context.Context, s *seating, seat *seat) error {
	if seat.id == "" {
		return d.createAndStart(ctx, s, seat)
	}
	err := d.startAgain(ctx, seat)
	if err == nil || ctx.Err() != nil || errors.Is(err, deploy.ErrEngineAway) {
		return err
	}
	// The container itself may be at fault: its network was removed, someone has
	// taken its address, an Engine that was killed left half of it. A new one
	// of the same image is as good.
	d.config.Log.Warn("an instance does not start again and is made anew", "app", seat.badge.app,
		"color", seat.badge.color, "release", seat.badge.release, "instance", seat.id, "error", err)
	if err := d.discard(ctx, seat.id); err != nil {
		return err
	}
	return d.createAndStart(ctx, s, seat)
}

func (d *Docker) createAndStart(ctx context.Context, s *seating, seat *seat) (err error) {
	if seat.badge.address, err = s.address(seat.badge.index); err != nil {
		return err
	}
	seat.id, err = d.create(ctx, d.containerName(seat.badge), d.instanceBody(s.spec, *seat, s.lan), deploy.StepStart)
	if err != nil {
		return err
	}
	seat.began = true
	return d.start(ctx, seat.id, deploy.StepStart)
}

// startAgain makes a container run that is there already.
func (d *Docker) startAgain(ctx context.Context, seat *seat) error {
	seat.began = seat.state != container.StateRunning
	switch seat.state {
	case container.StateRunning:
		return nil
	case container.StatePaused:
		return d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
			return d.engine.ContainerUnpause(ctx, seat.id)
		})
	case container.StateRestarting:
		return d.takeOver(ctx, seat.id)
	}
	if err := d.setPolicy(ctx, seat.id, container.RestartPolicyDisabled); err != nil {
		return err
	}
	return d.start(ctx, seat.id, deploy.StepStart)
}

// takeOver starts a container at once that the Engine would start again within
// a minute, and puts it on probation: while someone calls Start for it, when
// to try is their business.
func (d *Docker) takeOver(ctx context.Context, id string) error {
	if err := d.setPolicy(ctx, id, container.RestartPolicyDisabled); err != nil {
		return err
	}
	now := 0
	return d.call(ctx, d.config.BootTimeout, func(ctx context.Context) error {
		return d.engine.ContainerRestart(ctx, id, container.StopOptions{Timeout: &now})
	})
}

// create makes a container. It takes the place of one of the same name that is
// Teal's own: left by a call that was cut off.
func (d *Docker) create(ctx context.Context, name string, b body, step deploy.Step) (string, error) {
	id, err := d.createOnce(ctx, name, b)
	if moreThanThereIs(err) {
		// The server's default, or an app that was moved here from a larger host:
		// all of the host's is what it gets.
		b.host.NanoCPUs = 0
		id, err = d.createOnce(ctx, name, b)
	}
	if errdefs.IsConflict(err) {
		if err := d.discardNamed(ctx, name); err != nil {
			return "", err
		}
		id, err = d.createOnce(ctx, name, b)
	}
	return id, explainCreate(err, b.config, step)
}

func (d *Docker) createOnce(ctx context.Context, name string, b body) (id string, err error) {
	err = d.call(ctx, d.config.BootTimeout, func(ctx context.Context) error {
		made, err := d.engine.ContainerCreate(ctx, b.config, b.host, b.net, nil, name)
		id = made.ID
		return err
	})
	return id, err
}

func (d *Docker) discardNamed(ctx context.Context, name string) error {
	c, err := d.inspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := d.badge(c.Config.Labels); !ok {
		return fmt.Errorf("the name %s is taken by a container that is not Teal's (%.12s): rename or remove it", name, c.ID)
	}
	return d.discard(ctx, c.ID)
}

func (d *Docker) start(ctx context.Context, id string, step deploy.Step) error {
	err := d.call(ctx, d.config.BootTimeout, func(ctx context.Context) error {
		return d.engine.ContainerStart(ctx, id, container.StartOptions{})
	})
	return explainStart(err, step)
}
