package runtime

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"go.uber.org/goleak"

	"teal/deploy"
)

// testPrefix begins the namespace of each test. What carries it and is older
// than staleAfter was left by a run that was killed.
const (
	testPrefix = "t-runtime-"
	staleAfter = 10 * time.Minute
)

var (
	engine *client.Client // the Engine that the tests run on
	appTar []byte         // a root file system with /app in it
	images = map[string]string{}
)

func TestMain(m *testing.M) {
	if os.Getenv(privateEnv) != "" {
		becomeEngine()
	}
	// An instance's start is mostly waiting for the kernel.
	flag.Parse()
	_ = flag.Set("test.parallel", "6")
	code := 1
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests need a container engine and the go command:", err)
	} else {
		code = m.Run()
	}
	tearDown()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func setUp() (err error) {
	engine, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := sweepStale(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "teal-runtime")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	bits, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	appTar = tarOf("app", bits, 0o755)
	return importAll(ctx)
}

func importAll(ctx context.Context) error {
	small := []byte("no program\n")
	for _, i := range []struct {
		name    string
		root    []byte
		changes []string
	}{
		{"good", appTar, []string{`ENTRYPOINT ["/app"]`, `VOLUME /data`}},
		{"gone", tarOf("x", small, 0o644), []string{`ENTRYPOINT ["/nope"]`}},
		{"mode", tarOf("app", small, 0o644), []string{`ENTRYPOINT ["/app"]`}},
		{"text", tarOf("app", small, 0o755), []string{`ENTRYPOINT ["/app"]`}},
		{"mute", tarOf("app", small, 0o755), nil},
		{"user", tarOf("app", small, 0o755), []string{`ENTRYPOINT ["/app"]`, "USER nobody-here"}},
	} {
		id, err := importImage(ctx, engine, i.root, i.changes)
		if err != nil {
			return fmt.Errorf("cannot import image %s: %w", i.name, err)
		}
		images[i.name] = id
	}
	return nil
}

func tarOf(name string, bits []byte, mode int64) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(bits)), Typeflag: tar.TypeReg})
	_, _ = w.Write(bits)
	_ = w.Close()
	return b.Bytes()
}

func importImage(ctx context.Context, c *client.Client, root []byte, changes []string) (string, error) {
	tag := "teal-runtime-test:" + strings.ToLower(rand.Text()[:8])
	r, err := c.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(root), SourceName: "-"}, tag,
		image.ImportOptions{Changes: append(changes, "LABEL teal.test=runtime")})
	if err != nil {
		return "", err
	}
	defer r.Close()
	for d := json.NewDecoder(r); ; {
		var m struct{ Status, Error string }
		if err := d.Decode(&m); err != nil {
			return "", err
		}
		if m.Error != "" {
			return "", fmt.Errorf("import: %s", m.Error)
		}
		if strings.HasPrefix(m.Status, "sha256:") {
			return m.Status, nil
		}
	}
}

func tearDown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, id := range images {
		_, _ = engine.ImageRemove(ctx, id, image.RemoveOptions{Force: true})
	}
	_ = engine.Close()
}

func sweepStale(ctx context.Context) error {
	before := time.Now().Add(-staleAfter)
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelNamespace))})
	if err != nil {
		return err
	}
	for _, c := range list {
		if strings.HasPrefix(c.Labels[labelNamespace], testPrefix) && time.Unix(c.Created, 0).Before(before) {
			_ = engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	nets, err := engine.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelNamespace))})
	if err != nil {
		return err
	}
	for _, n := range nets {
		if strings.HasPrefix(n.Labels[labelNamespace], testPrefix) && n.Created.Before(before) {
			_ = engine.NetworkRemove(ctx, n.ID)
		}
	}
	old, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "teal.test=runtime"))})
	for _, i := range old {
		if time.Unix(i.Created, 0).Before(before) {
			_, _ = engine.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true})
		}
	}
	return err
}

// newDocker makes a Docker with a namespace of its own, which is emptied when
// the test ends, failed or not.
func newDocker(t testing.TB) *Docker {
	t.Helper()
	ns := testPrefix + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() { empty(t, engine, ns) })
	return New(Config{
		Client: engine, Namespace: ns,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

func empty(t testing.TB, c *client.Client, ns string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mine := filters.NewArgs(filters.Arg("label", labelNamespace+"="+ns))
	list, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		t.Error(err)
	}
	for _, x := range list {
		if err := c.ContainerRemove(ctx, x.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	}
	nets, err := c.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		t.Error(err)
	}
	for _, n := range nets {
		if err := c.NetworkRemove(ctx, n.ID); err != nil {
			t.Error(err)
		}
	}
}

// release gives release n of an app that runs the test program in a mode.
func release(app string, n int, mode string) deploy.Release {
	s := deploy.DefaultSettings()
	s.Memory, s.PIDs, s.CPUs, s.Stop = 64<<20, 64, 1, 2*time.Second
	return deploy.Release{
		App: deploy.AppName(app), Number: n, Image: images["good"], Settings: s,
		Commit: deploy.Commit{ID: "3f2a1bc000000000000000000000000000000000"},
		Env:    map[string]string{"MODE": mode},
	}
}

func start(t testing.TB, d *Docker, r deploy.Release, c deploy.Color) []deploy.Instance {
	t.Helper()
	list, err := d.Start(t.Context(), deploy.Spec{Release: r, Color: c})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func list(t testing.TB, d *Docker) []deploy.Instance {
	t.Helper()
	all, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func only(t testing.TB, d *Docker) deploy.Instance {
	t.Helper()
	all := list(t, d)
	if len(all) != 1 {
		t.Fatalf("want one instance, have %+v", all)
	}
	return all[0]
}

// eventually polls until ok, or fails the test.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
		_ = pause(t.Context(), 10*time.Millisecond)
	}
}

var plain = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks an instance, and waits for it to listen.
func get(t testing.TB, addr netip.AddrPort, path string) string {
	t.Helper()
	var body string
	eventually(t, 30*time.Second, "an answer of "+addr.String(), func() bool {
		resp, err := plain.Get("http://" + addr.String() + path)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		body = string(b)
		if resp.StatusCode != 200 {
			body = resp.Status + " " + body
		}
		return err == nil
	})
	return body
}
