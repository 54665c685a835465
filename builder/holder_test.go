package builder

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// nobodys is a place where nobody may write, root included: what the control
// groups are to a daemon under its systemd unit, or in its container.
const nobodys = "/proc/none"

func holderProgram(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "holder")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "./testdata/holder")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// Not parallel, as all tests of the limits: they hold for all builds of the Engine.
func TestDaemonThatMayNotWriteControlGroupsHoldsBuildsFromAContainer(t *testing.T) {
	var log lockedBuffer
	b := newBench(t, func(c *Config) {
		c.groups, c.program = nobodys, holderProgram(t)
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})

	defer func() { // its own image goes with it
		if name, err := b.holderImage(t.Context()); err == nil {
			b.stack.discard(t.Context(), name)
		}
	}()
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group.root = cgroupRoot
	if !group.systemd { // groups of steps are there only while steps run
		dir := group.dirs("pids")[0]
		if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte("max"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.CheckHold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !group.systemd {
		for _, k := range append(group.shares(false)[:1], group.ceilings(0)[:2]...) {
			text, err := os.ReadFile(filepath.Join(group.dirs(k.controller)[0], k.file))
			got := strings.TrimSpace(string(text))
			if n, _ := strconv.ParseInt(got, 10, 64); strings.HasPrefix(k.file, "memory") && n > 0 && n < 1<<50 {
				continue // other tests' builds have their say in how much
			}
			if k.wanted && (err != nil || got != k.value) {
				t.Errorf("%s is %q (%v), want %s", k.file, got, err, k.value)
			}
		}
	}
	b.build(b.asideRequest(t))
	eventually(t, time.Minute, "its container to be gone", func() error {
		left, err := b.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelNamespace+"="+b.ns))})
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d are left", len(left))
		}
		return err
	})
	if strings.Contains(log.String(), "not held back") {
		t.Error(log.String())
	}
}

func TestBuildsThatCannotBeHeldSaySoAndWhy(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	b := newBench(t, func(c *Config) {
		c.groups, c.program = nobodys, filepath.Join(t.TempDir(), "none")
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	if err := b.CheckHold(t.Context()); err == nil || !strings.Contains(err.Error(), nobodys) || !strings.Contains(err.Error(), "a container can't do it") {
		t.Errorf("error is %v", err)
	}
	b.build(request(files("Dockerfile", "FROM scratch\nCOPY a /a\n", "a", b.ns)))
	contains(t, log.String(), "builds are not held back: apps may feel them", "docs/OPERATING.md")
}

func TestHoldEndsWithItsInput(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var out bytes.Buffer
	h := Hold{Root: root, Unified: true, Free: 1 << 30}
	if err := os.MkdirAll(filepath.Join(root, "docker", "buildkit"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu.idle", "cpu.weight", "memory.max", "pids.max"} {
		if err := os.WriteFile(filepath.Join(root, "docker", "buildkit", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := HoldBuilds(t.Context(), h, strings.NewReader(""), &out); err != nil || out.String() != "held\n" {
		t.Errorf("%v: %q", err, out.String())
	}
}

func TestBuildThatRunsKeepsWhatItHasWhenTheNextOneBegins(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		name    string
		unified bool
		usage   string // bytes; "": no such group
		stat    string
		room    room
		want    int64
	}{
		{"the first build", true, "", "", room{free: 900 * mib}, 900 * mib},
		{"nothing in use", true, "0", "", room{free: 900 * mib}, 900 * mib},
		{"v2, one that runs", true, "629145600", "anon 524288000\nactive_file 52428800\ninactive_file 52428800\n", room{free: 300 * mib}, 800 * mib},
		{"v1, one that runs", false, "629145600", "inactive_file 1\ntotal_active_file 52428800\ntotal_inactive_file 52428800\n", room{free: 300 * mib}, 800 * mib},
		{"a bound of all", true, "629145600", "", room{free: 500 * mib, most: 1000 * mib}, 1000 * mib},
		{"more files than use", true, "1000", "inactive_file 52428800\n", room{free: 300 * mib}, 300 * mib},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := buildGroup{root: t.TempDir(), unified: c.unified}
			dir, file := g.dirs("memory")[0], "memory.usage_in_bytes"
			if c.unified {
				file = "memory.current"
			}
			if c.usage != "" {
				for name, text := range map[string]string{file: c.usage + "\n", "memory.stat": c.stat} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := g.ceiling(c.room); got != c.want {
				t.Errorf("ceiling is %d MiB, want %d", got/mib, c.want/mib)
			}
		})
	}
}
