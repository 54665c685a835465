// Package notify tells people of failed deployments: by mail and by webhook.
//
// The store writes an alert into its outbox in the transaction that ends the
// deployment, so none is lost. The Notifier empties the outbox: what can't be
// delivered now is tried again, less and less often, for three days. Each alert
// is delivered at least once; when the same one arrives twice (the daemon died
// between sending and writing that down) both carry the same Message-ID.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// Outbox holds the alerts that wait. Met by the store.
type Outbox interface {
	// Due gives up to limit deliveries whose time has come, oldest first.
	Due(ctx context.Context, now time.Time, limit int) ([]deploy.Delivery, error)
	// Done records that it was delivered.
	Done(ctx context.Context, id int64, at time.Time) error
	// Retry counts the try and puts the delivery off until next.
	Retry(ctx context.Context, id int64, next time.Time, reason string) error
	// GiveUp records that it never will be delivered.
	GiveUp(ctx context.Context, id int64, at time.Time, reason string) error
}

const (
	// look is how often the outbox is looked into when nobody wakes the Notifier.
	look = time.Minute
	// batch is how many deliveries are read at once.
	batch = 20
	// remembered bounds what is kept in memory of single deliveries.
	remembered = 1000
)

// Notifier delivers alerts.
type Notifier struct {
	c    Config
	log  *slog.Logger
	wake chan struct{}

	// Touched by the goroutine of Run alone:
	unwritten map[int64]func(context.Context) error // outcomes that the outbox did not take yet
	settled   map[int64]map[string]bool             // per alert: addresses that have it (true), or never will
}

// New makes a notifier. It starts nothing: Run does. See Config.Check.
func New(c Config) *Notifier {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
	if c.ServerName == "" {
		c.ServerName = "localhost"
	}
	if c.SSHHint == "" {
		c.SSHHint = "ssh -p 2222 " + c.ServerName
	}
	return &Notifier{
		c: c, log: c.Log, wake: make(chan struct{}, 1),
		unwritten: map[int64]func(context.Context) error{}, settled: map[int64]map[string]bool{},
	}
}

// Channels lists the channels that are set. See Config.Channels.
func (n *Notifier) Channels() []string { return n.c.Channels() }

// Summary is one line for the start-up log. See Config.Summary.
func (n *Notifier) Summary() string { return n.c.Summary() }

// Wake makes Run look into the outbox now. It never waits.
func (n *Notifier) Wake() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Told takes the engine's events. Any of them may have put an alert into the
// outbox: a failure, a return to the old release, a scheduled command. So each
// wakes the Notifier, which costs one look. When no channel is set, the log is
// where a failure stands. It never waits, and may be called from any goroutine
// (see deploy.Config.Told).
func (n *Notifier) Told(e deploy.Event) {
	if len(n.c.Channels()) > 0 {
		n.Wake()
		return
	}
	if e.State == deploy.Failed {
		n.log.Warn("deployment failed and nobody is mailed: "+deploy.Clean(e.Text, 300), "app", e.App, "deployment", e.Deployment)
	}
}

// Run delivers until ctx ends. A delivery that is under way then is broken off
// and stays in the outbox. It may be called once.
func (n *Notifier) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-n.wake:
		}
		timer.Reset(n.empty(ctx))
	}
}

// empty delivers all that is due, and tells when to look again.
func (n *Notifier) empty(ctx context.Context) (idle time.Duration) {
	down := map[string]error{}
	idle = look
	for ctx.Err() == nil {
		due, err := n.c.Outbox.Due(ctx, n.c.Now(), batch)
		if err != nil {
			n.log.Warn("cannot read the outbox; alerts wait", "error", err)
			return look
		}
		// Webhooks answer at once or not at all, so they do not wait behind a mail
		// server that hangs.
		slices.SortStableFunc(due, func(a, b deploy.Delivery) int { return strings.Compare(b.Channel, a.Channel) })
		for _, d := range due {
			wait, err := n.handle(ctx, d, down)
			if err != nil {
				n.log.Warn("cannot write to the outbox; alerts wait", "app", d.Alert.App, "deployment", d.Alert.Deployment, "error", err)
				return look
			}
			if wait > 0 {
				idle = min(idle, wait)
			}
		}
		if len(due) < batch {
			return idle
		}
	}
	return idle
}

// handle makes one try of one delivery and writes down what came of it. wait is
// the time to its next try, 0 when it is over. The error is the outbox's.
func (n *Notifier) handle(ctx context.Context, d deploy.Delivery, down map[string]error) (wait time.Duration, err error) {
	if write := n.unwritten[d.ID]; write != nil {
		if err := write(ctx); err != nil {
			return 0, err
		}
		delete(n.unwritten, d.ID)
		return 0, nil
	}
	begun := n.c.Now()
	var retry bool
	failure := down[d.Channel]
	if failure == nil {
		retry, failure = n.try(ctx, d)
		if _, broken := errors.AsType[*unreachable](failure); broken {
			down[d.Channel] = failure // the others of this round need not wait for the same timeout
		}
	} else {
		retry = true
	}
	if failure != nil && ctx.Err() != nil {
		return 0, nil // broken off by the shutdown: it counts for nothing
	}
	// What is sent is sent, and is written down even when ctx ends just now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	now := n.c.Now()
	log := n.log.With("channel", d.Channel, "app", d.Alert.App, "deployment", d.Alert.Deployment)
	switch {
	case failure == nil:
		log.Info("alert delivered", "duration", now.Sub(begun))
		return 0, n.write(ctx, d.ID, func(ctx context.Context) error { return n.c.Outbox.Done(ctx, d.ID, now) })
	case retry && !tooOld(d, now):
		wait = pause(d.Attempts)
		reason := deploy.Clean(failure.Error(), 300)
		log.Warn("alert not delivered yet", "error", reason, "next", now.Add(wait))
		return wait, n.c.Outbox.Retry(ctx, d.ID, now.Add(wait), reason)
	default:
		reason := deploy.Clean(failure.Error(), 300)
		if retry {
			reason = "given up after three days: " + reason
		}
		log.Warn("alert given up; it stands in the console", "error", reason)
		return 0, n.write(ctx, d.ID, func(ctx context.Context) error { return n.c.Outbox.GiveUp(ctx, d.ID, now, reason) })
	}
}

// write records an outcome, and keeps one that the outbox did not take: what
// was sent once is not sent again because a disk is full.
func (n *Notifier) write(ctx context.Context, id int64, record func(context.Context) error) error {
	delete(n.settled, id)
	err := record(ctx)
	if err != nil && len(n.unwritten) < remembered {
		n.unwritten[id] = record
	}
	return err
}

// try makes one delivery. A panic in it is a failure like others.
func (n *Notifier) try(ctx context.Context, d deploy.Delivery) (retry bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			n.log.Error("panic in a delivery", "channel", d.Channel, "app", d.Alert.App, "deployment", d.Alert.Deployment,
				"error", deploy.PanicText(p), "stack", string(debug.Stack()))
			retry, err = true, fmt.Errorf("panic: %s", deploy.PanicText(p))
		}
	}()
	switch {
	case d.Channel == ChannelMail && n.c.Mail != nil && n.c.Mail.Host != "":
		return n.sendMail(ctx, d)
	case d.Channel == ChannelWebhook && n.c.Webhook != nil && n.c.Webhook.URL != "":
		return n.post(ctx, d)
	default:
		return true, fmt.Errorf("the channel %q is not set up any more", deploy.Clean(d.Channel, 40))
	}
}
