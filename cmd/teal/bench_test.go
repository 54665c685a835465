package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// The figures that the README and docs/BENCHMARKS.md speak of: a daemon in this
// process on the real Engine, pushed to with stock git. Each is printed with what
// the Engine alone needs for the same container, and the ratio of the two.
//
//	go test ./cmd/teal -run '^$' -bench Deploy -benchtime 1x

// BenchmarkDeploy pushes, goes back to a running release, and back to a sleeping one.
func BenchmarkDeploy(b *testing.B) {
	d := startBenchDaemon(b)
	d.push(b, 1)
	d.push(b, 2)

	b.Run("PushOverhead", func(b *testing.B) { d.benchPush(b) })
	b.Run("RestartPreviousRunning", func(b *testing.B) { d.benchRunning(b) })
	b.Run("RestartPreviousAsleep", func(b *testing.B) { d.benchAsleep(b) })
}

const benchRounds = 15

// benchPush: Teal's own share of a push, from the pack stored to promoted,
// without build, release command, start and probe.
func (d *benchDaemon) benchPush(b *testing.B) {
	var own []float64
	for range b.N * benchRounds {
		d.push(b, d.version+1)
		own = append(own, d.last(b).Receipt.Overhead)
	}
	report(b, own, "own-ms")
	limit(b, own, 300)
}

// benchRunning: from asking for "restart previous" to the first answer of the
// old version, when it still runs.
func (d *benchDaemon) benchRunning(b *testing.B) {
	var took []float64
	for range b.N * benchRounds {
		took = append(took, d.restartPrevious(b))
	}
	report(b, took, "first-answer-ms")
	limit(b, took, 10)
}

// benchAsleep: the same when the previous release was stopped, beside a bare
// start of a stopped container on the same Engine.
func (d *benchDaemon) benchAsleep(b *testing.B) {
	var took, bare []float64
	for range b.N * 5 {
		app := d.app(b)
		bare = append(bare, d.bareStart(b, app.Previous))
		d.sleep(b, app.Previous)
		took = append(took, d.restartPrevious(b))
	}
	report(b, took, "first-answer-ms")
	report(b, bare, "engine-alone-ms")
	b.ReportMetric(median(took)/median(bare), "ratio")
}

type benchDaemon struct {
	parts   *daemonParts
	work    string
	version int
	client  *http.Client
}

func startBenchDaemon(b *testing.B) *benchDaemon {
	dir := b.TempDir()
	key := filepath.Join(dir, "key")
	must(b, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key))
	c := benchConfig(b, dir, key+".pub")
	parts, err := newDaemon(b.Context(), c, slog.New(slog.DiscardHandler), os.Stdout)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- parts.run(ctx) }()
	<-parts.engine.Ready()
	d := &benchDaemon{parts: parts, work: filepath.Join(dir, "shop"), client: &http.Client{Timeout: 10 * time.Second}}
	b.Cleanup(func() {
		if err := parts.engine.Destroy(context.Background(), "shop", "admin"); err != nil {
			b.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		parts.close()
	})
	d.makeWorkTree(b, key)
	return d
}

// benchConfig is the configuration of a daemon that is started with nothing but
// what keeps it apart from others.
func benchConfig(b *testing.B, dir, keys string) config {
	var c cli
	parser, err := kong.New(&c)
	if err == nil {
		_, err = parser.Parse([]string{
			"serve", "--data", filepath.Join(dir, "data"), "--admin-keys", keys, "--subnets", "10.219.0.0/24", "--patch-schedule", "off",
			"--http", "127.0.0.1:0", "--preview", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--console", "127.0.0.1:0", "--metrics", "off",
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	return c.Serve.config
}

// makeWorkTree makes a repository whose image is one static program on scratch,
// so that the build costs next to nothing.
func (d *benchDaemon) makeWorkTree(b *testing.B, key string) {
	if err := os.CopyFS(d.work, os.DirFS(filepath.Join("..", "..", "examples", "hello-go"))); err != nil {
		b.Fatal(err)
	}
	known := filepath.Join(filepath.Dir(d.work), "known_hosts")
	d.git(b, "init", "-q", "-b", "main")
	for _, kv := range [][2]string{
		{"user.name", "Anna"},
		{"user.email", "anna@example.org"},
		{"core.sshCommand", "ssh -i " + key + " -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=" + known},
	} {
		d.git(b, "config", kv[0], kv[1])
	}
	d.git(b, "remote", "add", "teal", fmt.Sprintf("ssh://git@localhost:%d/shop", port(d.parts.doors.ssh)))
}

// push commits a version and pushes it.
func (d *benchDaemon) push(b *testing.B, version int) {
	b.Helper()
	main := filepath.Join(d.work, "main.go")
	src, err := os.ReadFile(main)
	if err != nil {
		b.Fatal(err)
	}
	old, now := fmt.Sprintf(`const version = "v%d"`, max(d.version, 1)), fmt.Sprintf(`const version = "v%d"`, version)
	if err := os.WriteFile(main, []byte(strings.Replace(string(src), old, now, 1)), 0o644); err != nil {
		b.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", "app", ".")
	build.Dir, build.Env = d.work, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	must(b, build)
	dockerfile := "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\"]\n"
	if err := os.WriteFile(filepath.Join(d.work, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		b.Fatal(err)
	}
	d.git(b, "add", "-A")
	d.git(b, "commit", "-q", "--allow-empty", "-m", fmt.Sprintf("version %d", version))
	d.git(b, "push", "-q", "teal", "main")
	d.version = version
	if got := d.ask(b); got != fmt.Sprintf("v%d", version) {
		b.Fatalf("production answers %q after the push of v%d", got, version)
	}
}

func (d *benchDaemon) git(b *testing.B, args ...string) {
	b.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = d.work, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0")
	must(b, cmd)
}

// restartPrevious measures from the request to the old version's first answer, in ms.
func (d *benchDaemon) restartPrevious(b *testing.B) float64 {
	b.Helper()
	before := d.ask(b)
	began := time.Now()
	dep, err := d.parts.engine.Rollback(b.Context(), "shop", 0, "admin")
	if err != nil {
		b.Fatal(err)
	}
	for d.ask(b) == before {
		if time.Since(began) > 30*time.Second {
			b.Fatal("the old version never answered")
		}
	}
	took := float64(time.Since(began).Microseconds()) / 1000
	if _, err := d.parts.engine.Wait(b.Context(), dep.ID, 10*time.Second); err != nil {
		b.Fatal(err)
	}
	return took
}

// sleep stops a release and waits until the keeper has noticed.
func (d *benchDaemon) sleep(b *testing.B, release int) {
	b.Helper()
	if err := d.parts.runtime.Stop(b.Context(), "shop", release, time.Second); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for {
		open, err := d.parts.db.Open(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if slices.ContainsFunc(open, func(o deploy.Deployment) bool { return o.Release == release && o.State == deploy.Asleep }) {
			return
		}
		if time.Since(began) > 30*time.Second {
			b.Fatalf("v%d was never recorded asleep: %+v", release, open)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// bareStart is what the Engine and the app need without Teal: a container of
// the same image, made before, is started and asked until it answers, in ms.
func (d *benchDaemon) bareStart(b *testing.B, release int) float64 {
	b.Helper()
	r, err := d.parts.db.Release(b.Context(), "shop", release)
	if err != nil {
		b.Fatal(err)
	}
	init := true
	made, err := d.parts.docker.ContainerCreate(b.Context(),
		&container.Config{Image: r.Image, Env: []string{"PORT=8080"}}, &container.HostConfig{Init: &init}, nil, nil, "")
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := d.parts.docker.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	}()
	began := time.Now()
	if err := d.parts.docker.ContainerStart(b.Context(), made.ID, container.StartOptions{}); err != nil {
		b.Fatal(err)
	}
	running, err := d.parts.docker.ContainerInspect(b.Context(), made.ID)
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddrPort(running.NetworkSettings.Networks["bridge"].IPAddress + ":8080")
	for deploy.HTTPProbe(b.Context(), addr, "shop.localhost", deploy.DefaultSettings()) != nil {
		if time.Since(began) > 30*time.Second {
			b.Fatal("the container never answered")
		}
	}
	return float64(time.Since(began).Microseconds()) / 1000
}

func (d *benchDaemon) app(b *testing.B) deploy.App {
	b.Helper()
	app, err := d.parts.db.App(b.Context(), "shop")
	if err != nil {
		b.Fatal(err)
	}
	return app
}

// last is the newest deployment, settled.
func (d *benchDaemon) last(b *testing.B) deploy.Deployment {
	b.Helper()
	all, err := d.parts.db.Deployments(b.Context(), "shop", 0, 1)
	if err != nil || len(all) == 0 {
		b.Fatalf("no deployment: %v", err)
	}
	return all[0]
}

// ask gives the version that production answers.
func (d *benchDaemon) ask(b *testing.B) string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+d.parts.doors.http.Addr().String()+"/version", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Host = "shop.localhost"
	resp, err := d.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var buf [64]byte
	n, _ := resp.Body.Read(buf[:])
	return strings.TrimSpace(string(buf[:n]))
}

func must(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// report prints the median, and the worst, of several rounds.
func report(b *testing.B, values []float64, unit string) {
	b.ReportMetric(median(values), unit)
	b.ReportMetric(slices.Max(values), "max-"+unit)
	b.ReportMetric(0, "ns/op")
}

// limit fails the benchmark when the median is above what the README promises.
func limit(b *testing.B, values []float64, most float64) {
	b.Helper()
	if m := median(values); m > most {
		b.Errorf("the median is %.1f ms, promised are %.0f ms", m, most)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
