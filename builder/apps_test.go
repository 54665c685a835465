package builder

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"
)

// languageApps are the apps in testdata/apps.
var languageApps = []struct {
	name, what, on string
	changed        string // file with the text v1
	leaves         int    // exit code after SIGTERM
}{
	{"go", "Go 1.24: go.mod found", "", "main.go", 0},
	{"java", "Java 17: pom.xml found", "teal/java:17", "src/main/java/greeter/Main.java", 143},
	{"node", "Node 24: package.json found", "teal/node:24", "server.js", 0},
	{"php", "PHP 8.2: composer.json found", "teal/php:8.2", "public/index.php", 0},
	{"procfile", "Procfile", "teal/base", "www/version", 143},
	{"python", "Python 3.11: requirements.txt found", "teal/python:3.11", "app.py", 0},
	{"ruby", "Ruby 3.1: Gemfile found", "teal/ruby:3.1", "app.rb", 143},
	{"rust", "Rust 1: Cargo.toml found", "teal/base", "src/main.rs", 143},
}

// Real apps with real dependencies, each built and asked over HTTP. Where a
// language's own registry may be out of reach the app takes its libraries from
// Debian (Aptfile) or carries them.
func TestAppsOfEveryLanguageAreBuiltAndAnswer(t *testing.T) {
	for _, c := range languageApps {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.caches = "teal-tests" // a second run finds the packages that the first one fetched
			source := copied(t, "testdata/apps/"+c.name)
			// A version of its own, so that the app itself never comes from the cache.
			first, second := "v1-"+b.ns, "v2-"+b.ns
			source[c.changed].Data = []byte(strings.Replace(string(source[c.changed].Data), "v1", first, 1))
			done := timed(t, c.name+": first build")
			built, log := b.build(request(fsSource{fs: source}))
			done()
			if built.What != c.what {
				t.Errorf("what is %q, not %q\n%s", built.What, c.what, log)
			}
			b.answers(built.Image, c.name, first+"\n", c.leaves)
			source[c.changed].Data = []byte(strings.Replace(string(source[c.changed].Data), first, second, 1))
			done = timed(t, c.name+": one line changed")
			built, _ = b.build(request(fsSource{fs: source}))
			done()
			b.answers(built.Image, c.name, second+"\n", c.leaves)
			image, err := b.engine.ImageInspect(t.Context(), built.Image)
			if err != nil {
				t.Fatal(err)
			}
			labels := image.Config.Labels
			var base dockerimage.InspectResponse
			if c.on != "" {
				if base, err = b.engine.ImageInspect(t.Context(), c.on); err != nil {
					t.Fatal(err)
				}
			}
			if labels[labelBuildOn] != c.on || labels[labelBuildBase] != base.ID {
				t.Errorf("labels are %v, not of %s %s", labels, c.on, base.ID)
			}
			if c.on != "" {
				if env, _ := json.Marshal(base.Config.Env); labels[labelBuildEnv] != string(env) {
					t.Errorf("the base's environment is noted as %s, not %s", labels[labelBuildEnv], env)
				}
			}
			if image.Config.User != "65532:65532" {
				t.Errorf("runs as %q", image.Config.User)
			}
			t.Logf("%s: image %d MB, %d MB of it the app's own", c.name, image.Size/1e6, (image.Size-base.Size)/1e6)
		})
	}
}

// answers runs the image as the runtime does, asks it, and stops it.
func (b *bench) answers(image, name, version string, code int) {
	b.t.Helper()
	began := time.Now()
	url, id := b.startHardened(image)
	if status, body := get(b.t, url+"/"); status != 200 || !strings.Contains(body, "hello from ") {
		b.t.Errorf("%s answered %d %q", name, status, body)
	}
	b.t.Logf("%s: created to first answer %s", name, time.Since(began).Round(time.Millisecond))
	if status, body := get(b.t, url+"/version"); status != 200 || body != version {
		b.t.Errorf("%s answered %d %q, not %q", name, status, body, version)
	}
	http.DefaultClient.CloseIdleConnections() // as the router does before it ends an instance
	began = time.Now()
	patience := 60 // until SIGKILL, whose exit code is 137
	if err := b.engine.ContainerStop(b.t.Context(), id, container.StopOptions{Timeout: &patience}); err != nil {
		b.t.Fatal(err)
	}
	found, err := b.engine.ContainerInspect(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	if took := time.Since(began); found.State.ExitCode != code {
		b.t.Errorf("%s: SIGTERM ended it after %s with exit code %d", name, took, found.State.ExitCode)
	}
}

// startHardened runs the image with what the runtime gives every instance.
func (b *bench) startHardened(image string) (url, id string) {
	b.t.Helper()
	ctx := b.t.Context()
	initProcess := true
	made, err := b.engine.ContainerCreate(ctx, &container.Config{Image: image, Labels: map[string]string{labelNamespace: b.ns}, Env: []string{"PORT=8080"}},
		&container.HostConfig{
			CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}, Init: &initProcess,
			Tmpfs: map[string]string{"/tmp": "rw,exec,nosuid,nodev,mode=1777,size=128m"},
		}, nil, nil, "teal-"+b.ns+"-"+randomID()[:6])
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		b.t.Fatal(err)
	}
	found, err := b.engine.ContainerInspect(context.Background(), made.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return "http://" + found.NetworkSettings.Networks["bridge"].IPAddress + ":8080", made.ID
}
