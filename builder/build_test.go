package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"teal/deploy"
)

func TestDockerfileOnScratchIsBuiltAndLabeled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, log := b.build(request(files("Dockerfile", "FROM scratch\nCOPY greeting /greeting\n", "greeting", b.ns)))
	if built.What != "Dockerfile" || !strings.HasPrefix(built.Image, "sha256:") {
		t.Errorf("built %+v", built)
	}
	contains(t, log, "found Dockerfile", "COPY greeting /greeting  done in")
	image, err := b.engine.ImageInspect(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	labels := image.Config.Labels
	if labels[labelNamespace] != b.ns || labels[labelApp] != "shop" || labels[labelCommit] != "3f2a1bc0000000000000000000000000000000aa" {
		t.Errorf("labels are %v", labels)
	}
	// One name, which says the commit, keeps it from "docker image prune".
	want := fmt.Sprintf("teal-%s/shop:3f2a1bc-%s", b.ns, built.Image[7:19])
	if len(image.RepoTags) != 1 || image.RepoTags[0] != want {
		t.Errorf("names are %v, not %s", image.RepoTags, want)
	}
}

func TestDockerignoreKeepsSecretsOutOfTheImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, log := b.build(request(withTool([]string{
		".dockerignore", "# not for the image\n*.pem\nconf/*\n!conf/public.txt\nDockerfile\n",
		"key.pem", "secret", "conf/private.txt", "secret", "conf/public.txt", "open", "main.txt", "text",
	}, "COPY . /all/", fmt.Sprintf(`RUN ["/tool", "list", "/all", "/all/conf", %q]`, b.ns))))
	contains(t, log, "| found main.txt", "| found public.txt")
	for _, name := range []string{"key.pem", "private.txt"} {
		if strings.Contains(log, "found "+name) {
			t.Errorf("%s is in the image:\n%s", name, log)
		}
	}
}

func TestDockerfileElsewhereHasItsOwnIgnoreFileAndArguments(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, log := b.build(request(files(
		"teal.toml", "instances = 3\n[build]\ndockerfile = \"./docker/web\"\nargs = { FLAVOR = \"plain\" }\n",
		"docker/web", "ARG FLAVOR\nFROM scratch\nARG FLAVOR\nLABEL flavor=$FLAVOR\nCOPY a* /\n",
		"docker/web.dockerignore", "a2\n", "a1", "1", "a2", "2",
	)))
	if built.Settings.Instances != 3 || built.What != "docker/web" {
		t.Errorf("built %+v\n%s", built, log)
	}
	image, err := b.engine.ImageInspect(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	if image.Config.Labels["flavor"] != "plain" {
		t.Errorf("the argument did not arrive: %v", image.Config.Labels)
	}
}

func TestTwoBuildsAtOnceKeepTheirLogsApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var wg sync.WaitGroup
	logs, images := make([]string, 2), make([]string, 2)
	for i := range 2 {
		wg.Go(func() {
			var log lockedBuffer
			built, err := b.Build(t.Context(), request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "say", "I am build %d of %s"]`, i, b.ns))), &log)
			if err != nil {
				t.Error(err, log.String())
			}
			logs[i], images[i] = log.String(), built.Image
		})
	}
	wg.Wait()
	for i := range 2 {
		contains(t, logs[i], fmt.Sprintf("   | I am build %d", i))
		if strings.Contains(logs[i], fmt.Sprintf("I am build %d", 1-i)) {
			t.Errorf("log %d has lines of the other build:\n%s", i, logs[i])
		}
	}
	if images[0] == images[1] {
		t.Error("two trees made one image")
	}
}

func TestCanceledBuildLeavesNoProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var log lockedBuffer
	ended := make(chan error, 1)
	go func() {
		_, err := b.Build(ctx, request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "sleep", %q]`, b.ns))), &log)
		ended <- err
	}()
	eventually(t, time.Minute, "the step to run", func() error {
		if !strings.Contains(log.String(), "| sleeping") || !running(t, b.ns) {
			return errors.New(log.String())
		}
		return nil
	})
	why := errors.New("the pusher changed his mind")
	began := time.Now()
	cancel(why)
	select {
	case err := <-ended:
		if !errors.Is(err, why) {
			t.Errorf("error is %v, not %v", err, why)
		}
	case <-time.After(time.Minute):
		t.Fatal("Build did not return")
	}
	eventually(t, time.Minute, "the step's process to end", func() error {
		if running(t, b.ns) {
			return errors.New("still running")
		}
		return nil
	})
	t.Logf("ended %s after the cancel", time.Since(began).Round(time.Millisecond))
}

func TestBuildThatTakesTooLongIsStoppedAndSaysSo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.build(request(withTool(nil))) // so that only the sleep takes time
	req := request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "sleep", %q]`, b.ns)))
	req.Defaults.BuildTimeout = 20 * time.Second
	f, log := b.refused(req)
	if f.Class != deploy.ClassBuildTimeout || !strings.HasPrefix(f.Reason, "the build took longer than 20s and was stopped: 'RUN /tool sleep") || !strings.HasSuffix(f.Reason, "' was still running") || !errors.Is(f, context.DeadlineExceeded) {
		t.Errorf("failure is %+v", f)
	}
	contains(t, log, "build failed: the build took longer than 20s")
	if len(f.Log) != 1 || f.Log[0] != "sleeping" {
		t.Errorf("the last lines are %q", f.Log)
	}
	eventually(t, time.Minute, "the step's process to end", func() error {
		if running(t, b.ns) {
			return errors.New("still running")
		}
		return nil
	})
}

// running tells whether a process has the word among its arguments.
func running(t *testing.T, word string) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), "sleep\x00"+word) {
			return true
		}
	}
	return false
}

func TestLogIsCutAtItsLimitAndStillSaysHowItEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.MaxLogBytes = 4000 })
	f, log := b.refused(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "flood", %q]`, b.ns), `RUN ["/tool", "exit", "3"]`)))
	contains(t, log, "… log cut", "build failed: ")
	if len(log) > 6000 {
		t.Errorf("the log has %d bytes", len(log))
	}
	if len(f.Log) != tailLines || f.Log[tailLines-1] == "" {
		t.Errorf("the failure has %d lines: %q", len(f.Log), f.Log)
	}
}

func TestCachesOfAppsAreApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	source := func(line string) fsSource {
		return withTool(nil, "RUN --mount=type=cache,id=shared,target=/cache "+line)
	}
	b.build(request(source(fmt.Sprintf(`["/tool", "write", "/cache/note", %q]`, b.ns))))
	show := fmt.Sprintf(`["/tool", "show", "/cache/note", %q, `, b.ns)
	_, log := b.build(request(source(show + `"1"]`)))
	contains(t, log, fmt.Sprintf(`/cache/note: %q <nil>`, b.ns))
	other := request(source(show + `"2"]`))
	other.App = "blog"
	_, log = b.build(other)
	contains(t, log, `/cache/note: ""`, "no such file")

	f, _ := b.refused(request(withTool(nil, `RUN --mount=type=cache,id=../teal-x-blog/shared,target=/cache ["/tool", "list", "/cache"]`)))
	contains(t, f.Reason, "could name another app's cache")
}

// The build sees the company's authority behind the host's own, and what a build
// does not get cannot be had.
func TestBuildGetsTheCertificateAuthoritiesAsASecret(t *testing.T) {
	t.Parallel()
	extra := filepath.Join(t.TempDir(), "company.pem")
	b := newBench(t, func(c *Config) { c.CAFile = extra })
	if err := os.WriteFile(extra, []byte("-----BEGIN CERTIFICATE-----\ncompany of "+b.ns+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`RUN --mount=type=secret,id=ca,target=/ca.crt ["/tool", "grep", "/ca.crt", "BEGIN CERTIFICATE", "company of %s", "another company"]`, b.ns)
	_, log := b.build(request(withTool(nil, line)))
	contains(t, log, `| company of `+b.ns+`: 1 times`, `| another company: 0 times`)
	hosts := regexp.MustCompile(`BEGIN CERTIFICATE: (\d+) times`).FindStringSubmatch(log)
	if len(hosts) != 2 || len(hosts[1]) < 2 { // a host trusts more than a hundred; ten at the very least
		t.Errorf("the host's own authorities are not there: %q", hosts)
	}
	f, _ := b.refused(request(withTool(nil, `RUN --mount=type=secret,id=other,required=true ["/tool", "say", "x"]`)))
	contains(t, f.Reason, "the secret other")
}

func TestCommitThatCannotBeReadIsNoFailureOfTheApp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	source := files("Dockerfile", "FROM scratch\nCOPY . /\n", "a", "1", "b", "2")
	source.broken = errors.New("object 12ab is missing")
	_, err := b.Build(t.Context(), request(source), &lockedBuffer{})
	var f *deploy.Failure
	if err == nil || errors.As(err, &f) || !errors.Is(err, source.broken) {
		t.Errorf("error is %v", err)
	}
}

func TestEngineThatIsAwayIsSaidSo(t *testing.T) {
	t.Parallel()
	engine, err := client.NewClientWithOpts(client.WithHost("unix://" + filepath.Join(t.TempDir(), "none.sock")))
	if err != nil {
		t.Fatal(err)
	}
	b := New(Config{Engine: engine, Namespace: "away"})
	source := files("Dockerfile", "FROM scratch\nCOPY . /\n")
	if _, err := b.Build(t.Context(), request(source), &lockedBuffer{}); !errors.Is(err, deploy.ErrEngineAway) {
		t.Errorf("Build: %v", err)
	}
	if err := b.RemoveImage(t.Context(), "shop", "sha256:12"); !errors.Is(err, deploy.ErrEngineAway) {
		t.Errorf("RemoveImage: %v", err)
	}
	if err := b.Stack().Ensure(t.Context(), &lockedBuffer{}, "go"); !errors.Is(err, deploy.ErrEngineAway) {
		t.Errorf("Ensure: %v", err)
	}
}
