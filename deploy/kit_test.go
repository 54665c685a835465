package deploy_test

import (
	"context"
	"io"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func wantAnswer(t *testing.T, d *deploytest.Daemon, want string) {
	t.Helper()
	if got := d.Router.Get("shop", "/"); got != want {
		t.Fatalf("production answers %q, want %q", got, want)
	}
}

// gate blocks builds until it is opened or the build's context ends.
type gate struct {
	open    chan struct{}
	waiting chan string
}

func holdBuilds(w *deploytest.World) *gate {
	g := &gate{make(chan struct{}), make(chan string, 100)}
	w.Building = func(ctx context.Context, req deploy.BuildRequest, _ io.Writer) error {
		g.waiting <- req.Commit.Subject
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g
}

func mustRollback(ctx context.Context, t *testing.T, d *deploytest.Daemon, release int) deploy.Deployment {
	t.Helper()
	dep, err := d.Rollback(ctx, "shop", release, "ben")
	if err != nil {
		t.Fatal(err)
	}
	return dep
}

// mustBeCommitted pushes and waits until the push was promoted; something newer
// may have been promoted since.
func mustBeCommitted(ctx context.Context, t *testing.T, d *deploytest.Daemon, text string) deploy.Deployment {
	t.Helper()
	dep, err := d.Push(ctx, text, deploy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if dep, err = d.Wait(ctx, dep.ID, 0); err != nil || !dep.State.Committed() {
		t.Fatalf("push of %s: %s, %v, %v", text, dep.State, dep.Failure, err)
	}
	return dep
}

func mustPush(ctx context.Context, t *testing.T, d *deploytest.Daemon, text string, want deploy.State) deploy.Deployment {
	t.Helper()
	return mustPushWith(ctx, t, d, text, deploy.Options{}, want)
}

func mustPushWith(ctx context.Context, t *testing.T, d *deploytest.Daemon, text string, o deploy.Options, want deploy.State) deploy.Deployment {
	t.Helper()
	dep, err := d.Push(ctx, text, o)
	if err != nil {
		t.Fatal(err)
	}
	return mustWait(ctx, t, d, dep, want)
}

func mustWait(ctx context.Context, t *testing.T, d *deploytest.Daemon, dep deploy.Deployment, want deploy.State) deploy.Deployment {
	t.Helper()
	dep, err := d.Wait(ctx, dep.ID, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if dep.State != want {
		t.Fatalf("deployment %d is %s (%v, note %q), want %s", dep.ID, dep.State, dep.Failure, dep.Note, want)
	}
	return dep
}

// eventually polls until ok holds.
func eventually(t *testing.T, ok func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf(format, args...)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
