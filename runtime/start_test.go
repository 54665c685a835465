package runtime

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

func TestStartedInstancesAnswerAtTheirAddresses(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 14, "")
	r.Settings.Instances = 3
	made := start(t, d, r, deploy.Green)
	if len(made) != 3 {
		t.Fatalf("want 3 instances, have %+v", made)
	}
	for i, in := range made {
		if in.Index != i+1 || in.Color != deploy.Green || in.Release != 14 || in.App != "shop" || !in.Running || in.Addr.Port() != 8080 {
			t.Errorf("instance %d is %+v", i+1, in)
		}
		if got := get(t, in.Addr, "/"); got != "ok\n" {
			t.Errorf("instance %d answers %q", i+1, got)
		}
	}
	if listed := list(t, d); !slices.Equal(listed, made) {
		t.Errorf("List gives %+v, Start gave %+v", listed, made)
	}
	if other := New(d.config); !slices.Equal(list(t, other), made) {
		t.Error("another Docker of the namespace sees something else")
	}
}

func TestStartLeavesAloneWhatRuns(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Settings.Instances = 2
	first := start(t, d, r, deploy.Blue)
	began := startedAt(t, first[1].ID)
	if err := d.discard(t.Context(), first[0].ID); err != nil {
		t.Fatal(err)
	}
	second := start(t, d, r, deploy.Blue)
	if second[1] != first[1] || startedAt(t, second[1].ID) != began {
		t.Errorf("the running instance was touched: %+v became %+v", first[1], second[1])
	}
	if second[0].ID == first[0].ID || second[0].Addr != first[0].Addr {
		t.Errorf("the missing instance was not made again: %+v", second[0])
	}
}

func startedAt(t *testing.T, id string) string {
	t.Helper()
	c, err := engine.ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.State.StartedAt
}

func TestTwoStartsAtOnceMakeOneSetOfInstances(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	err := each(3, 3, func(int) error {
		_, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: deploy.Blue})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	only(t, d)
}

func TestStoppedInstanceKeepsItsContainerAndAddressAndStartsFast(t *testing.T) {
	// Not parallel: it measures time.
	d := newDocker(t)
	r := release("shop", 1, "")
	began := time.Now()
	before := start(t, d, r, deploy.Blue)[0]
	get(t, before.Addr, "/")
	first := time.Since(began)
	if err := d.Stop(t.Context(), "shop", 1, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	asleep := only(t, d)
	if asleep.Running || asleep.ID != before.ID {
		t.Fatalf("after Stop it is %+v", asleep)
	}
	start(t, d, release("shop", 2, ""), deploy.Green) // must not take the address
	began = time.Now()
	after := start(t, d, r, deploy.Blue)[0]
	get(t, after.Addr, "/")
	if took := time.Since(began); took > max(2*time.Second, 3*first) {
		t.Errorf("start after stop took %s, the first one %s", took, first)
	}
	if after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	c, err := engine.ContainerInspect(t.Context(), after.ID)
	if err != nil || c.HostConfig.Memory != 64<<20 || *c.HostConfig.PidsLimit != 64 {
		t.Errorf("the limits are lost: %v %+v", err, c.HostConfig.Resources)
	}
}

func TestLeftOverInTheWrongColorIsReplaced(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 3, "")
	wrong := start(t, d, r, deploy.Blue)[0]
	right := start(t, d, r, deploy.Green)[0]
	if in := only(t, d); in.ID != right.ID || in.ID == wrong.ID || in.Color != deploy.Green {
		t.Errorf("left is %+v", in)
	}
}

func TestLeftOverOfAnotherSpecIsReplaced(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 3, "")
	old := start(t, d, r, deploy.Blue)[0]
	r.Env = map[string]string{"MODE": "", "GREETING": "hello"}
	start(t, d, r, deploy.Blue)
	in := only(t, d)
	if in.ID == old.ID || !strings.Contains(get(t, in.Addr, "/env"), "GREETING=hello") {
		t.Errorf("the old container still runs: %+v", in)
	}
}

func TestInstanceThatEndsAtOnceIsNoErrorOfStart(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	in := start(t, d, release("shop", 1, "exit"), deploy.Blue)[0]
	eventually(t, 30*time.Second, "seen as not running, exit 3", func() bool {
		in = only(t, d)
		return !in.Running && in.Exit == deploy.Exit{Code: 3}
	})
	lines, err := d.Tail(t.Context(), in, 1)
	if err != nil || !slices.Equal(lines, []string{"giving up: no database"}) {
		t.Errorf("its last words are %q, %v", lines, err)
	}
}

func TestOutOfMemoryIsToldFromAPlainKill(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "oom")
	r.Settings.Memory = 24 << 20
	start(t, d, r, deploy.Blue)
	eventually(t, 30*time.Second, "seen as out of memory", func() bool {
		in := only(t, d)
		return !in.Running && in.Exit == deploy.Exit{Code: 137, OOM: true}
	})
}

func TestInstanceThatWaitsToBeRestartedIsRestartedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	id := crashLoop(t, d, r)
	var before string
	eventually(t, 2*time.Minute, "a pause that lasts for seconds", func() bool {
		c, err := engine.ContainerInspect(t.Context(), id)
		if err != nil || !c.State.Restarting || c.RestartCount == 0 {
			return false
		}
		before = c.State.StartedAt
		ended, err := time.Parse(time.RFC3339Nano, c.State.FinishedAt)
		next := ended.Add(100 * time.Millisecond << (c.RestartCount - 1)) // the Engine doubles its pauses
		return err == nil && time.Until(next) > 5*time.Second
	})
	start(t, d, r, deploy.Blue)
	if only(t, d).ID != id || startedAt(t, id) == before || policy(t, id) != "no" {
		t.Error("it was not tried again at once, or the Engine goes on trying")
	}
}

// crashLoop gives an instance that got through its probation and now ends
// whenever the Engine starts it.
func crashLoop(t *testing.T, d *Docker, r deploy.Release) (id string) {
	t.Helper()
	r.Env["MODE"] = "once"
	in := start(t, d, r, deploy.Blue)[0]
	get(t, in.Addr, "/")
	d.config.Probation = time.Nanosecond
	if err := d.endProbation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := policy(t, in.ID); got != "unless-stopped" {
		t.Fatalf("after its probation the restart policy is %q", got)
	}
	_, _ = plain.Get("http://" + in.Addr.String() + "/die")
	return in.ID
}

func TestPausedInstanceCountsAsNotRunningAndIsWokenByStart(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	in := start(t, d, r, deploy.Blue)[0]
	if err := engine.ContainerPause(t.Context(), in.ID); err != nil {
		t.Fatal(err)
	}
	if only(t, d).Running {
		t.Error("a paused instance counts as running")
	}
	if again := start(t, d, r, deploy.Blue)[0]; again != in {
		t.Errorf("started again it is %+v, was %+v", again, in)
	}
	get(t, in.Addr, "/")
}

func TestCommandThatCannotRunIsAFailureInClearWords(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"gone": "the image's command /nope is not there, or what it needs to run is not",
		"mode": "the image's command /app is not executable",
		"text": "the image's command /app is not there, or what it needs to run is not",
		"mute": "the image names no command to run",
		"user": "the image has no user nobody-here",
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			d := newDocker(t)
			r := release("shop", 1, "")
			r.Image = images[image]
			_, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: deploy.Blue})
			var f *deploy.Failure
			if !errors.As(err, &f) {
				t.Fatalf("want a failure, have %v", err)
			}
			if f.Step != deploy.StepStart || f.Reason != want || f.Hint == "" {
				t.Errorf("the failure says %q (hint %q)", f.Reason, f.Hint)
			}
		})
	}
}

func TestImageThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Image = "sha256:" + strings.Repeat("0f", 32)
	if _, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: deploy.Blue}); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("Start says %v", err)
	}
	if _, err := d.Once(t.Context(), r, []string{"/app", "env"}, t.Output()); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("Once says %v", err)
	}
}

func TestImpossibleSpecsAreRefused(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	if _, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: "red"}); err == nil {
		t.Error("a red release was started")
	}
	r.Settings.Instances = deploy.MaxInstances + 1
	if _, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: deploy.Blue}); err == nil {
		t.Error("too many instances were started")
	}
}

func TestInstanceWhoseNetworkWasRemovedIsMadeAnew(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	old := start(t, d, r, deploy.Blue)[0]
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := d.Forget(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	in := start(t, d, r, deploy.Blue)[0]
	get(t, in.Addr, "/")
	if in.ID == old.ID {
		t.Error("the container of the old network was kept")
	}
}

func TestForeignContainersAreNeverTouched(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	strangers := map[string]string{}
	for name, labels := range map[string]map[string]string{
		"teal-" + d.config.Namespace + "-shop-blue-v7-1": nil, // only the name is Teal's
		"foreign-ns-" + d.config.Namespace:               {labelNamespace: testPrefix + "other", labelApp: "shop", labelColor: "blue", labelRelease: "1", labelIndex: "1", labelAddress: "10.0.0.2"},
		"half-" + d.config.Namespace:                     {labelNamespace: d.config.Namespace, labelApp: "shop", labelRelease: "1"},
	} {
		strangers[name] = stranger(t, name, labels)
	}
	start(t, d, r, deploy.Blue)
	only(t, d)
	ctx := t.Context()
	err := errors.Join(d.Stop(ctx, "shop", 1, time.Second), d.Remove(ctx, "shop", 1), d.Remove(ctx, "shop", 7), d.Sweep(ctx), d.Forget(ctx, "shop"))
	if err != nil {
		t.Error(err)
	}
	r.Number = 7
	if _, err := d.Start(ctx, deploy.Spec{Release: r, Color: deploy.Blue}); err == nil || !strings.Contains(err.Error(), "not Teal's") {
		t.Errorf("a taken name gives %v", err)
	}
	for name, id := range strangers {
		c, err := engine.ContainerInspect(ctx, id)
		if err != nil || !c.State.Running || c.RestartCount != 0 {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
}

// stranger starts a container that isn't Teal's.
func stranger(t *testing.T, name string, labels map[string]string) string {
	t.Helper()
	made, err := engine.ContainerCreate(t.Context(), &container.Config{Image: images["good"], Labels: labels}, nil, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if err := engine.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return made.ID
}
