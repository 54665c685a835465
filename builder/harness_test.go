package builder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// dial gives the Engine. Tests need one that runs: there is no stand-in.
var dial = sync.OnceValues(func() (*client.Client, error) {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	_, err = engine.Ping(context.Background())
	return engine, err
})

func testEngine(t testing.TB) *client.Client {
	t.Helper()
	engine, err := dial()
	if err != nil {
		t.Fatalf("the tests need a container engine: %v", err)
	}
	return engine
}

// bench is a Builder with a namespace of its own, cleaned up at the end.
type bench struct {
	*Builder
	t      testing.TB
	engine *client.Client
	ns     string
}

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	engine := testEngine(t)
	ns := "t" + randomID()[:10]
	config := Config{Engine: engine, Namespace: ns}
	for _, c := range change {
		c(&config)
	}
	t.Cleanup(func() { cleanUp(t, engine, labelNamespace+"="+ns) })
	return &bench{Builder: New(config), t: t, engine: engine, ns: ns}
}

// cleanUp removes every container and image with the label.
func cleanUp(t testing.TB, engine *client.Client, label string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		t.Error(err)
	}
	for _, c := range containers {
		if err := engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			t.Error(err)
		}
	}
	images, err := engine.ImageList(ctx, image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		t.Error(err)
	}
	for _, i := range images {
		if _, err := engine.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			t.Error(err)
		}
	}
}

// request is a push of the tree.
func request(source deploy.Source) deploy.BuildRequest {
	return deploy.BuildRequest{
		App:      "shop",
		Source:   source,
		Commit:   deploy.Commit{ID: "3f2a1bc0000000000000000000000000000000aa"},
		Defaults: deploy.DefaultSettings(),
	}
}

// build builds and fails the test when that fails.
func (b *bench) build(req deploy.BuildRequest) (deploy.Built, string) {
	b.t.Helper()
	var log lockedBuffer
	built, err := b.Build(b.t.Context(), req, &log)
	if err != nil {
		b.t.Fatalf("build: %v\n%s", err, log.String())
	}
	return built, log.String()
}

// refused builds, wants a Failure, and returns it.
func (b *bench) refused(req deploy.BuildRequest) (*deploy.Failure, string) {
	b.t.Helper()
	var log lockedBuffer
	_, err := b.Build(b.t.Context(), req, &log)
	var f *deploy.Failure
	if !errors.As(err, &f) {
		b.t.Fatalf("error is %v, not a *deploy.Failure\n%s", err, log.String())
	}
	if f.Step != deploy.StepBuild || f.Reason == "" || strings.Contains(f.Reason, "\n") {
		b.t.Errorf("failure is not one line of the build step: %+v", f)
	}
	return f, log.String()
}

// start runs the image and returns the address of port 8080.
func (b *bench) start(image string) string {
	b.t.Helper()
	ctx := b.t.Context()
	made, err := b.engine.ContainerCreate(ctx, &container.Config{Image: image, Labels: map[string]string{labelNamespace: b.ns}, Env: []string{"PORT=8080"}},
		&container.HostConfig{ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}}, nil, nil, "teal-"+b.ns+"-"+randomID()[:6])
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		b.t.Fatal(err)
	}
	found, err := b.engine.ContainerInspect(ctx, made.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return "http://" + found.NetworkSettings.Networks["bridge"].IPAddress + ":8080"
}

// get asks until something answers, and returns status and body.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	var status int
	var body []byte
	eventually(t, 2*time.Minute, "an answer from "+url, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		status = response.StatusCode
		body, err = io.ReadAll(response.Body)
		return err
	})
	return status, string(body)
}

// eventually polls until check returns nil.
func eventually(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s: %v", limit, what, err)
		case <-tick.C:
		}
	}
}

// contains fails the test for each part that is not in the text.
func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// lockedBuffer is a log that is written and read at the same time.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// timed notes how long something took.
func timed(t testing.TB, what string) func() {
	began := time.Now()
	return func() { t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond)) }
}
