package runtime

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"teal/deploy"
)

// running runs Run until the returned function is called.
func running(t *testing.T, d *Docker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	first := d.Changes(ctx)
	go func() { done <- d.Run(ctx) }()
	await(t, first, "Run has reached the Engine")
	return func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run does not return")
		}
	}
}

func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("not told: %s", what)
	}
}

// quiet takes what was told already, until nothing is for so long.
func quiet(c <-chan struct{}, long time.Duration) {
	for {
		select {
		case <-c:
		case <-time.After(long):
			return
		}
	}
}

func TestChangesTellOfADeathAndAReturn(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	defer running(t, d)()
	in := start(t, d, release("shop", 1, ""), deploy.Blue)[0]
	get(t, in.Addr, "/")
	ctx, cancel := context.WithCancel(t.Context())
	changes := d.Changes(ctx)
	if err := engine.ContainerKill(t.Context(), in.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	await(t, changes, "the instance died")
	eventually(t, 30*time.Second, "down", func() bool { return !only(t, d).Running })
	quiet(changes, 300*time.Millisecond)
	start(t, d, release("shop", 1, ""), deploy.Blue)
	await(t, changes, "the instance started")
	cancel()
	eventually(t, 30*time.Second, "the channel is closed", func() bool {
		_, open := <-changes
		return !open
	})
}

func TestThrowAwayContainersAreNoChange(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	defer running(t, d)()
	changes := d.Changes(t.Context())
	quiet(changes, echoAfter[len(echoAfter)-1]+time.Second)
	if _, err := d.Once(t.Context(), release("shop", 1, ""), []string{"/app", "env"}, t.Output()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changes:
		t.Error("a release command counts as a change")
	case <-time.After(300 * time.Millisecond):
	}
}

func TestSlowListenersAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	var b bell
	c := b.listen(t.Context())
	for range 1000 {
		b.ring()
	}
	<-c
	select {
	case <-c:
		t.Error("rung twice")
	default:
	}
}

func TestAbsentEngineIsAway(t *testing.T) {
	t.Parallel()
	d := New(Config{Client: clientOf(t, filepath.Join(t.TempDir(), "none.sock")), Namespace: testPrefix + "away"})
	sayAwayEverywhere(t, d)
}

// A listener that accepts and never answers is what an Engine looks like that hangs.
func TestHungEngineIsAwayAndNotForever(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hung.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := New(Config{
		Client: clientOf(t, path), Namespace: testPrefix + "hung",
		CallTimeout: 100 * time.Millisecond, BootTimeout: 100 * time.Millisecond,
	})
	sayAwayEverywhere(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := d.Run(ctx); err != nil {
		t.Errorf("Run ends with %v", err)
	}
	if ctx.Err() == nil {
		t.Error("Run gave up")
	}
}

func clientOf(t *testing.T, socket string) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost("unix://"+socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sayAwayEverywhere(t *testing.T, d *Docker) {
	t.Helper()
	ctx, r := t.Context(), release("shop", 1, "")
	in := deploy.Instance{ID: "abc", App: "shop"}
	for what, call := range map[string]func() error{
		"Start":          func() error { _, err := d.Start(ctx, deploy.Spec{Release: r, Color: deploy.Blue}); return err },
		"Stop":           func() error { return d.Stop(ctx, "shop", 1, time.Second) },
		"Remove":         func() error { return d.Remove(ctx, "shop", 1) },
		"List":           func() error { _, err := d.List(ctx); return err },
		"Once":           func() error { _, err := d.Once(ctx, r, []string{"x"}, t.Output()); return err },
		"Tail":           func() error { _, err := d.Tail(ctx, in, 1); return err },
		"Logs":           func() error { return d.Logs(ctx, "shop", true, 1, t.Output()) },
		"Forget":         func() error { return d.Forget(ctx, "shop") },
		"Sweep":          func() error { return d.Sweep(ctx) },
		"ListeningPorts": func() error { _, err := d.ListeningPorts(ctx, in); return err },
		"Doctor":         func() error { _, err := d.Doctor(ctx); return err },
	} {
		began := time.Now()
		if err := call(); !errors.Is(err, deploy.ErrEngineAway) {
			t.Errorf("%s says %v", what, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s took %s to say so", what, took)
		}
	}
	over, cancel := context.WithCancelCause(ctx)
	cancel(deploy.ErrStopping)
	if _, err := d.List(over); !errors.Is(err, deploy.ErrStopping) || errors.Is(err, deploy.ErrEngineAway) {
		t.Errorf("with a context that has ended List says %v", err)
	}
}
