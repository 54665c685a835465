package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"teal/deploy"
)

// journal remembers each Write.
type journal struct {
	mu     sync.Mutex
	writes []string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes = append(j.writes, string(p))
	return len(p), nil
}

func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.writes)
}

func (j *journal) has(line string) bool { return slices.Contains(j.lines(), line) }

func onces(t *testing.T, d *Docker) int {
	t.Helper()
	f := filters.NewArgs(filters.Arg("label", labelNamespace+"="+d.config.Namespace), filters.Arg("label", labelOnce))
	list, err := engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestOnceGivesEveryLineAndTheExitCode(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	var log journal
	exit, err := d.Once(t.Context(), release("shop", 1, ""), []string{"/app", "say", "300", "4"}, &log)
	if err != nil || exit != (deploy.Exit{Code: 4}) {
		t.Errorf("it ended with %+v, %v", exit, err)
	}
	var outs, errs int
	for _, line := range log.lines() {
		switch {
		case line == fmt.Sprintf("out %d\n", outs+1):
			outs++
		case line == fmt.Sprintf("err %d\n", errs+1):
			errs++
		default:
			t.Fatalf("unexpected %q after %d and %d", line, outs, errs)
		}
	}
	if outs != 300 || errs != 300 || onces(t, d) != 0 || len(list(t, d)) != 0 {
		t.Errorf("%d and %d of 300 lines, %d containers left", outs, errs, onces(t, d))
	}
}

func TestOnceRunsWithTheReleasesEnvironmentAndWithoutPrivileges(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Env["DATABASE_URL"] = "x"
	var log bytes.Buffer
	if _, err := d.Once(t.Context(), r, []string{"/app", "env"}, &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DATABASE_URL=x\n", "TEAL_RELEASE=v1\n", "PORT=8080\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in %q", want, log.String())
		}
	}
	b := d.onceBody(r, []string{"x"}, "t", lan{})
	if b.host.Memory != r.Settings.Memory || b.host.CapDrop[0] != "ALL" || b.host.RestartPolicy.Name != "" {
		t.Errorf("it is made with %+v", b.host)
	}
}

func TestOnceOutOfMemoryIsTold(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Settings.Memory = 24 << 20
	exit, err := d.Once(t.Context(), r, []string{"/app", "oom"}, t.Output())
	if err != nil || !exit.OOM || exit.Code != 137 {
		t.Errorf("it ended with %+v, %v", exit, err)
	}
}

func TestOnceIsKilledAndRemovedWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("a newer push")
	var log journal
	done := make(chan error, 1)
	go func() {
		_, err := d.Once(ctx, release("shop", 1, ""), []string{"/app", "sleep"}, &log)
		done <- err
	}()
	eventually(t, 30*time.Second, "it says something", func() bool { return log.has("sleeping\n") })
	if err := d.Sweep(t.Context()); err != nil || onces(t, d) != 1 {
		t.Errorf("a sweep took what is in use: %v", err)
	}
	cancel(enough)
	select {
	case err := <-done:
		if !errors.Is(err, enough) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it did not end")
	}
	if onces(t, d) != 0 {
		t.Error("its container is left")
	}
}

func TestOnceWithAMissingCommandSaysSo(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	var log bytes.Buffer
	exit, err := d.Once(t.Context(), release("shop", 1, ""), []string{"bin/migrate"}, &log)
	if err != nil || exit.Code != 127 || !strings.Contains(log.String(), "exec bin/migrate failed: No such file or directory") {
		t.Errorf("it ended with %+v, %v, and said %q", exit, err, log.String())
	}
}

func TestSweepRemovesWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	l, err := d.network(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.create(t.Context(), "teal-"+d.config.Namespace+"-once", d.onceBody(release("shop", 1, ""), []string{"/app", "sleep"}, "dead", l), deploy.StepRelease)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context(), id, deploy.StepRelease); err != nil {
		t.Fatal(err)
	}
	in := start(t, d, release("shop", 1, ""), deploy.Blue)[0]
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if onces(t, d) != 0 || only(t, d) != in {
		t.Error("the sweep took the wrong things")
	}
}
