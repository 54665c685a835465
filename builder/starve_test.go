package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestBuildsStarveWhenTheyGetNothingAndNothingIsLeft(t *testing.T) {
	at := func(builds, unused time.Duration) processorTime { return processorTime{builds, unused} }
	for name, c := range map[string]struct {
		after processorTime
		want  bool
	}{
		"apps use everything":                   {at(200*time.Millisecond, 100*time.Millisecond), true},
		"the build works":                       {at(5*time.Second, 0), false},
		"the build waits, the machine is idle":  {at(0, 40*time.Second), false},
		"a step ended, and its group is gone":   {at(-time.Second, 0), false},
		"the build gets little, little is left": {at(1600*time.Millisecond, 1600*time.Millisecond), false},
	} {
		if got := starving(at(0, 0), c.after, 30*time.Second); got != c.want {
			t.Errorf("%s: starving is %v", name, got)
		}
	}
}

func TestProcessorTimeIsReadFromEitherKindOfGroup(t *testing.T) {
	for name, c := range map[string]struct {
		group      buildGroup
		file, text string
	}{
		"v1":      {buildGroup{}, "cpuacct/docker/buildkit/cpuacct.usage", "2500000000\n"},
		"v2":      {buildGroup{unified: true}, "docker/buildkit/cpu.stat", "usage_usec 2500000\nuser_usec 1\n"},
		"systemd": {buildGroup{unified: true, systemd: true}, "system.slice/system.slice:docker:" + strings.Repeat("x", 25) + "/cpu.stat", "usage_usec 2500000\n"},
	} {
		root := t.TempDir()
		write := func(name, text string) {
			t.Helper()
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(c.file, c.text)
		write("stat", "cpu  10 0 10 300 20 0 0 0 0 0\ncpu0 1 1 1 1\n")
		c.group.root = root
		h := hunger{group: c.group, stat: filepath.Join(root, "stat")}
		if got, ok := h.read(); !ok || got != (processorTime{2500 * time.Millisecond, 3200 * time.Millisecond}) {
			t.Errorf("%s: read %+v, %v", name, got, ok)
		}
	}
}

// TestBuildGetsOnWhileAnAppLoopsForEver: the app's processes want every
// processor twice, and the build has to work for its end.
func TestBuildGetsOnWhileAnAppLoopsForEver(t *testing.T) {
	b := newBench(t, func(c *Config) { c.starved = 2 * time.Second })
	built, _ := b.build(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "say", %q]`, b.ns))))
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := b.engine.ContainerCreate(t.Context(), &container.Config{
		Image: built.Image, Entrypoint: []string{"/tool", "spin", fmt.Sprint(2 * runtime.NumCPU()), "30s"},
		Labels: map[string]string{labelNamespace: b.ns},
	}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.engine.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.build(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "work", "300ms", %q]`, b.ns))))
	t.Logf("its work took %v", time.Since(began).Round(100*time.Millisecond))
	if group.systemd {
		return // the step's group is gone
	}
	path := filepath.Join(group.dirs("cpu")[0], "cpu.idle")
	if text, err := os.ReadFile(path); err == nil && string(text) != "0\n" {
		t.Errorf("%s is %q", path, text)
	}
}
