package runtime

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"

	"teal/deploy"
)

func TestAVolumeOutlivesItsReleasesAndTheApp(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own is over
		defer cancel()
		if err := engine.VolumeRemove(ctx, d.volumeName("other", "data"), true); err != nil {
			t.Error(err)
		}
	})
	write := func(r deploy.Release) string {
		t.Helper()
		var out bytes.Buffer
		if exit, err := d.Once(t.Context(), r, []string{"/app", "append", "/data/log"}, &out); err != nil || exit.Code != 0 {
			t.Fatalf("%+v %v %s", exit, err, out.String())
		}
		return strings.TrimSpace(out.String())
	}
	withData := func(app string, n int) deploy.Release {
		r := release(app, n, "")
		r.Settings.Volumes = map[string]string{"data": "/data"}
		return r
	}
	start(t, d, withData("shop", 1), deploy.Blue)
	start(t, d, withData("shop", 2), deploy.Green)
	if a, b := write(withData("shop", 1)), write(withData("shop", 2)); a != "1" || b != "2" {
		t.Errorf("the releases see %s and %s lines, want the same volume", a, b)
	}
	if other := write(withData("other", 1)); other != "1" {
		t.Errorf("another app sees %s lines of it", other)
	}
	for _, n := range []int{1, 2} {
		if err := d.Remove(t.Context(), "shop", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Forget(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if got := write(withData("shop", 1)); got != "3" {
		t.Errorf("after the app was destroyed there are %s lines, want all three", got)
	}
	if err := d.RemoveVolumes(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if got := write(withData("shop", 1)); got != "1" {
		t.Errorf("after its volumes were removed there are %s lines", got)
	}
	if err := d.RemoveVolumes(t.Context(), "shop"); err != nil {
		t.Error(err)
	}
}

func TestAVolumeThatIsNotTealsIsRefused(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	name := d.volumeName("shop", "data")
	if _, err := engine.VolumeCreate(t.Context(), volume.CreateOptions{Name: name}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.VolumeRemove(t.Context(), name, true) }()
	r := release("shop", 1, "")
	r.Settings.Volumes = map[string]string{"data": "/data"}
	if _, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: deploy.Blue}); err == nil || !strings.Contains(err.Error(), "not Teal's") {
		t.Errorf("it was taken: %v", err)
	}
}
