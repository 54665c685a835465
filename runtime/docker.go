// Package runtime runs releases as containers of a Docker Engine.
//
// The labels on the containers are the truth, so a Docker keeps nothing that
// matters in memory: another one with the same namespace on the same Engine
// knows the same. Everything it lists, stops or removes carries the label
// teal.namespace with its own namespace; whatever else lives on the Engine is
// never touched.
//
// Each app has a bridge network of its own, a /26, in which every instance has
// a fixed address for life: it answers at the same place after a stop and a
// start and after a restart of the Engine. No port is published.
//
// The Engine's restart policy is a helper for the time in which Teal itself is
// down; the core, which is told by Changes, has the last word. An instance gets
// it after a time of probation: in a crash loop of the Engine's making a
// container looks as if it ran most of the time, and its exit code is lost with
// the next try, so that a probe could not tell why it gets no answer.
package runtime

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"

	"teal/deploy"
)

// Config is what a Docker is made of.
type Config struct {
	// Client talks to the Engine. It is made with API version negotiation and is
	// closed by whoever made it.
	Client *client.Client
	// Namespace tells this installation from others on the same Engine: lower
	// case letters, digits and "-". "" means "main".
	Namespace string
	// Subnets is the range that the apps' networks are carved from, a /26 each.
	// The zero Prefix means 10.213.0.0/16, which is room for 1,024 apps.
	Subnets netip.Prefix
	// OpenFiles is how many files an instance may have open; 0: 16,384, which also
	// an Engine without the right to raise limits can mostly give; below 0:
	// whatever the Engine gives.
	OpenFiles int64
	// CallTimeout is the deadline of one short call to the Engine; 0: 15 s.
	CallTimeout time.Duration
	// BootTimeout is the deadline to create and start one container; 0: 60 s.
	BootTimeout time.Duration
	// Heartbeat is how often Run asks whether the Engine still answers; 0: 15 s.
	Heartbeat time.Duration
	// Probation is how long an instance has to have run before Run lets the Engine
	// restart it by itself; 0: 30 s.
	Probation time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: slog.Default
}

// Docker is a deploy.Runtime and a deploy.Bench on a Docker Engine.
type Docker struct {
	config Config
	engine *client.Client
	apps   locks    // held while an app's instances are made
	nets   locks    // held while a subnet is chosen
	busy   sync.Map // value of the once label → true: throw-away containers that are in use
	bell   bell
	// sees is true once the processes of a container were seen from here: from
	// then on one that can't be seen has ended.
	sees atomic.Bool
}

var (
	_ deploy.Runtime = (*Docker)(nil)
	_ deploy.Bench   = (*Docker)(nil)
)

// New makes a Docker. It calls nothing and starts nothing: Run watches the Engine.
func New(c Config) *Docker {
	if c.Namespace == "" {
		c.Namespace = "main"
	}
	if !c.Subnets.IsValid() {
		c.Subnets = netip.MustParsePrefix("10.213.0.0/16")
	}
	if c.OpenFiles == 0 {
		c.OpenFiles = 16384
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = 15 * time.Second
	}
	if c.BootTimeout == 0 {
		c.BootTimeout = time.Minute
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Probation == 0 {
		c.Probation = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Docker{config: c, engine: c.Client}
}

// call runs one call to the Engine under a deadline of its own, so that an
// Engine that hangs is told from a caller that has had enough.
func (d *Docker) call(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return sayAway(ctx, fn(inner))
}

// cleanUp gives the context of work that has to be done even though the
// caller's context has ended.
func (d *Docker) cleanUp(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*d.config.CallTimeout)
}
