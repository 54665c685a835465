package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy"
)

func TestStopKillsTheDeafAfterTheTimeoutAllAtOnce(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "deaf")
	r.Settings.Instances = 3
	for _, in := range start(t, d, r, deploy.Blue) {
		get(t, in.Addr, "/")
	}
	began := time.Now()
	if err := d.Stop(t.Context(), "shop", 1, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("three deaf instances took %s to stop, with a timeout of 2s", took)
	}
	if got := signals(t, d, began); !slices.Equal(got, []string{"15", "15", "15", "9", "9", "9"}) {
		t.Errorf("they were sent the signals %v, want all of them the first one before any is killed", got)
	}
	for _, in := range list(t, d) {
		if in.Running || in.Exit != (deploy.Exit{Code: 137}) {
			t.Errorf("after Stop: %+v", in)
		}
	}
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Errorf("stopping the stopped: %v", err)
	}
}

// signals are those that the Engine has sent to the instances, in order.
func signals(t *testing.T, d *Docker, since time.Time) (sent []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stamp := func(at time.Time) string { return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()) }
	told, failed := engine.Events(ctx, events.ListOptions{
		Since: stamp(since), Until: stamp(time.Now()),
		Filters: filters.NewArgs(filters.Arg("label", labelNamespace+"="+d.config.Namespace), filters.Arg("event", "kill")),
	})
	for {
		select {
		case e := <-told:
			sent = append(sent, e.Actor.Attributes["signal"])
		case err := <-failed:
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return sent
		}
	}
}

func TestStopOfNothingIsNoError(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	if err := errors.Join(d.Stop(t.Context(), "shop", 9, time.Second), d.Remove(t.Context(), "shop", 9), d.Forget(t.Context(), "shop")); err != nil {
		t.Error(err)
	}
}

func TestStopEndsACrashLoop(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	id := crashLoop(t, d, release("shop", 1, ""))
	eventually(t, 30*time.Second, "restarted by the Engine", func() bool {
		c, err := engine.ContainerInspect(t.Context(), id)
		return err == nil && c.RestartCount >= 2
	})
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	before := startedAt(t, id)
	_ = pause(t.Context(), 1500*time.Millisecond) // longer than the Engine's next pause
	if startedAt(t, id) != before || only(t, d).Running {
		t.Error("the restart policy started it again after Stop")
	}
}

func TestInstanceThatEndedByItselfStaysDownAfterStop(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	in := start(t, d, r, deploy.Blue)[0]
	if err := d.setPolicy(t.Context(), in.ID, "unless-stopped"); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil { // it is down already
		t.Fatal(err)
	}
	if got := policy(t, in.ID); got != "no" {
		t.Errorf("the restart policy is %q", got)
	}
}

func TestEngineRestartsAnInstanceAfterItsProbationOnly(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	d.config.Heartbeat = 100 * time.Millisecond
	d.config.Probation = 2 * time.Second
	r := release("shop", 1, "")
	in := start(t, d, r, deploy.Blue)[0]
	if got := policy(t, in.ID); got != "no" {
		t.Errorf("at first its restart policy is %q", got)
	}
	stop := running(t, d)
	eventually(t, 30*time.Second, "trusted", func() bool { return policy(t, in.ID) == "unless-stopped" })
	stop()
	if began, err := time.Parse(time.RFC3339Nano, startedAt(t, in.ID)); err != nil || time.Since(began) < d.config.Probation {
		t.Errorf("it was trusted before its probation was over: it began at %v, %v", began, err)
	}
	c, err := engine.ContainerInspect(t.Context(), in.ID)
	if err != nil || c.HostConfig.Memory != 64<<20 || *c.HostConfig.PidsLimit != 64 || c.HostConfig.NanoCPUs != 1e9 {
		t.Errorf("its limits are lost: %v %+v", err, c.HostConfig.Resources)
	}
	var forked int
	if _, err := fmt.Sscan(get(t, in.Addr, "/fork"), &forked); err != nil || forked >= 64 {
		t.Errorf("it could make %d processes, %v", forked, err)
	}
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	start(t, d, r, deploy.Blue)
	if got := policy(t, in.ID); got != "no" {
		t.Errorf("started again its restart policy is %q", got)
	}
}

func policy(t *testing.T, id string) string {
	t.Helper()
	c, err := engine.ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if name := string(c.HostConfig.RestartPolicy.Name); name != "" {
		return name
	}
	return "no" // as it is created
}

func TestRemoveTakesOneReleaseWithItsVolumes(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	old := start(t, d, release("shop", 1, "deaf"), deploy.Blue)[0]
	kept := start(t, d, release("shop", 2, ""), deploy.Green)[0]
	c, err := engine.ContainerInspect(t.Context(), old.ID)
	if err != nil || len(c.Mounts) != 1 {
		t.Fatalf("the image's volume is missing: %v %+v", err, c.Mounts)
	}
	if err := d.Remove(t.Context(), "shop", 1); err != nil {
		t.Fatal(err)
	}
	if in := only(t, d); in.ID != kept.ID || !in.Running {
		t.Errorf("left is %+v", in)
	}
	left, err := engine.VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", c.Mounts[0].Name))})
	if err != nil || len(left.Volumes) != 0 {
		t.Errorf("the volume is left: %v", err)
	}
}

func TestForgetRemovesTheNetworkOfThatAppOnly(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	start(t, d, release("shop", 1, ""), deploy.Blue)
	start(t, d, release("blog", 1, ""), deploy.Blue)
	if err := errors.Join(d.Remove(t.Context(), "shop", 1), d.Forget(t.Context(), "shop")); err != nil {
		t.Fatal(err)
	}
	nets, err := d.networks(t.Context(), d.mine(""))
	if err != nil || len(nets) != 1 || nets[0].Labels[labelApp] != "blog" {
		t.Errorf("left are %+v, %v", nets, err)
	}
}
