package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// TestReadmesDockerRunServesAPush builds the server's image, types the README's
// lines with names and ports of its own, and pushes an example with stock git.
func TestReadmesDockerRunServesAPush(t *testing.T) {
	t.Chdir("../..")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a base is made when there is none
	defer cancel()
	s := newServer(t)
	if err := image(ctx, s.image); err != nil {
		t.Fatal(err)
	}
	s.docker(t, ctx, nil, s.readmeLine(t, "docker run -d --name teal "))
	t.Cleanup(func() { s.remove(t) })
	key, err := os.ReadFile(s.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	out := s.docker(t, ctx, key, s.readmeLine(t, "docker exec -i teal "))
	if !strings.Contains(out, "you may log in with SHA256:") {
		t.Fatalf("user add said %q", out)
	}
	if err := s.waitReady(ctx); err != nil {
		logs, _ := exec.CommandContext(ctx, "docker", "logs", s.name).CombinedOutput()
		t.Fatalf("%v\n%s", err, logs)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := s.ssh(ctx, "destroy", s.app, s.app); err != nil {
			t.Error(err)
		}
	})

	if err := s.makeWorkTree(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.git(ctx, "remote", "set-url", "teal", s.remote()); err != nil {
		t.Fatal(err)
	}
	if err := s.commitExample(ctx, "hello-go", "v1", "Open the shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.push(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := s.serves(ctx, "v1"); err != nil {
		t.Fatal(err)
	}
}

// server is a Teal in a container. It uses the demo's way to git and SSH.
type server struct {
	stage
	name  string // of container and volume
	image string
	app   string
	env   []string // "TEAL_HTTP=127.0.0.1:40001", …
}

func newServer(t *testing.T) *server {
	t.Helper()
	id := strings.ToLower(rand.Text()[:8])
	dir := t.TempDir()
	s := &server{name: "teal-test-" + id, image: "teal-test-" + id + "/server", app: "shop-" + id, stage: stage{
		dir: dir, work: filepath.Join(dir, "shop"), key: filepath.Join(dir, "id_ed25519"),
		client: &http.Client{Timeout: 10 * time.Second},
	}}
	s.host = s.app + ".localhost"
	for _, door := range []struct {
		name string
		at   *string
	}{{"TEAL_HTTP", &s.http}, {"TEAL_PREVIEW", &s.preview}, {"TEAL_SSH", &s.sshd}, {"TEAL_CONSOLE", &s.console}} {
		var err error
		if *door.at, err = freeAddress(0); err != nil {
			t.Fatal(err)
		}
		s.env = append(s.env, door.name+"="+*door.at)
	}
	if err := s.makeKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// readmeLine gives the words of the README's line that begins so, with this
// server's names in place of the README's.
func (s *server) readmeLine(t *testing.T, begins string) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, begins) {
			continue
		}
		line, _, _ = strings.Cut(line, " <") // a shell would open the file
		var words []string
		for i, w := range strings.Fields(line) {
			switch {
			case i > 2 && w == "teal" && !slices.Contains(words, s.name):
				w = s.name
			case w == "teal:/data":
				w = s.name + ":/data"
			case w == serverImage:
				for _, e := range s.env {
					words = append(words, "-e", e)
				}
				w = s.image
			}
			words = append(words, w)
		}
		return words
	}
	t.Fatalf("README.md has no line that begins with %q", begins)
	return nil
}

// docker runs a command line and gives what it printed.
func (s *server) docker(t *testing.T, ctx context.Context, stdin []byte, words []string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

func (s *server) remote() string {
	return fmt.Sprintf("ssh://git@localhost:%s/%s", s.sshd[strings.LastIndexByte(s.sshd, ':')+1:], s.app)
}

// remove takes away everything that the test made in the Engine, also what the
// server itself should have removed.
func (s *server) remove(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Error(err)
		return
	}
	defer engine.Close()
	mine := filters.NewArgs(filters.Arg("label", "teal.app="+s.app))
	left, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		t.Error(err)
	}
	for _, c := range left {
		t.Errorf("container %v outlived its app", c.Names)
		_ = engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		t.Error(err)
	}
	for _, n := range networks {
		t.Errorf("network %s outlived its app", n.Name)
		_ = engine.NetworkRemove(ctx, n.ID)
	}
	if err := engine.ContainerRemove(ctx, s.name, container.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if err := engine.VolumeRemove(ctx, s.name, true); err != nil {
		t.Error(err)
	}
	if _, err := engine.ImageRemove(ctx, s.image, dockerimage.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

// TestUnitsHoldThePortsThatTealUses: teal takes the sockets of teal.socket by
// their ports, so the unit and the defaults must not part.
func TestUnitsHoldThePortsThatTealUses(t *testing.T) {
	t.Chdir("../..")
	help, err := exec.CommandContext(t.Context(), "go", "run", "./cmd/teal", "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, door := range []string{"http", "preview", "ssh", "console"} {
		_, rest, found := strings.Cut(string(help), "--"+door+`="`)
		addr, _, _ := strings.Cut(rest, `"`)
		if !found {
			t.Fatalf("teal serve --help names no default of --%s", door)
		}
		want = append(want, strings.TrimPrefix(addr, ":"))
	}
	unit, err := os.ReadFile("teal.socket")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(unit)) {
		if addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ListenStream="); ok {
			got = append(got, addr)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("teal.socket listens on %v, and teal serve uses %v", got, want)
	}
}
