package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// The tests here are not parallel: the limits hold for all builds of the Engine.

func TestMemoryHogIsKilledAtTheCeilingAndSaysSo(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxMemory = 2 << 30 })
	f, _ := b.refused(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "hog", %q]`, b.ns))))
	if f.Class != deploy.ClassBuildOOM || !strings.Contains(f.Reason, "ran out of memory: it was killed at the ceiling of builds, ") {
		t.Errorf("%s: %q", f.Class, f.Reason)
	}
	if f.Log[len(f.Log)-1] == "hog 255" {
		t.Error("it got all it wanted")
	}
}

func TestForkBombEndsAtTheCeiling(t *testing.T) {
	b := newBench(t)
	f, _ := b.refused(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "fork", %q]`, b.ns))))
	if f.Class != deploy.ClassBuildProcesses || !strings.Contains(f.Reason, "ended at the limit of 4,096 processes and threads") {
		t.Errorf("%s: %q", f.Class, f.Reason)
	}
	contains(t, strings.Join(f.Log, "\n"), "resource temporarily unavailable")
}

func TestBuildStepsRunWithTheLowestWeight(t *testing.T) {
	b := newBench(t)
	b.build(request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "say", %q]`, b.ns))))
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if group.systemd {
		return // a group for each step, which is gone: make proof-systemd looks at those
	}
	for _, k := range append(group.shares(false), group.ceilings(0)...) {
		if strings.HasPrefix(k.file, "memory") {
			continue
		}
		path := filepath.Join(group.dirs(k.controller)[0], k.file)
		text, err := os.ReadFile(path)
		if k.instead || err != nil && !k.wanted {
			continue
		}
		if got := strings.TrimSpace(strings.TrimPrefix(string(text), "default ")); err != nil || got != k.value {
			t.Errorf("%s is %q (%v), want %q", path, got, err, k.value)
		}
	}
}

// A group is idle beside its siblings only: inside of the Engine's it would be as
// good as any other beside a router that is not.
func TestBuildStepsRunOutsideOfTheEnginesOwnGroup(t *testing.T) {
	b := newBench(t)
	b.build(b.asideRequest(t))
}

// asideRequest is a build whose step fails when it is left where the Engine begins it.
func (b *bench) asideRequest(t *testing.T) deploy.BuildRequest {
	t.Helper()
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "aside", %q, %q]`, asideOf(group), b.ns)))
}

// asideOf is a part of the path of the group that builds are moved to.
func asideOf(group buildGroup) string {
	if group.unified {
		return "0::/" // groups of steps are siblings of all services
	}
	return "/" + asideGroup
}

// What a machine with systemd has can't be had on one without it.
func TestStepsBesideScopesOfSystemdAreHeldAsTheyAppearAndContainersAreNot(t *testing.T) {
	root := t.TempDir()
	group := func(name string) string {
		dir := filepath.Join(root, "system.slice", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"cpu.idle", "cpu.weight", "memory.max", "pids.max", "io.weight"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("before\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	app := group("docker-" + strings.Repeat("a1", 32) + ".scope")
	g := buildGroup{root: root, unified: true, systemd: true, patience: time.Hour}
	begun, ended := make(chan error, 1), make(chan error, 1)
	ctx, cancel := contextFor(t)
	go func() { ended <- g.hold(ctx, room{free: 1 << 30}, begun) }()
	<-begun
	step := group("system.slice:docker:" + strings.Repeat("x", 24) + "9")
	eventually(t, time.Minute, "the step to be held", func() error {
		if text, _ := os.ReadFile(filepath.Join(step, "io.weight")); !strings.HasPrefix(string(text), "1") {
			return fmt.Errorf("io.weight is %q", text)
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(step, "memory.max")); !strings.HasPrefix(string(text), "1073741824") {
		t.Errorf("memory.max of the step is %q", text)
	}
	if text, _ := os.ReadFile(filepath.Join(app, "memory.max")); string(text) != "before\n" {
		t.Errorf("memory.max of an app's container became %q", text)
	}
}

func TestBuildIsRefusedWhenTheMachineHasNoMemoryLeftForIt(t *testing.T) {
	meminfo := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(meminfo, []byte("MemTotal:        1000000 kB\nMemFree:  9000 kB\nMemAvailable:     90000 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.meminfo = meminfo })
	f, _ := b.refused(request(files("Dockerfile", "FROM scratch\nCOPY a /a\n", "a", "a")))
	if f.Reason != "this server has 87 MiB of memory free, too little for a build beside the apps that run" {
		t.Errorf("reason is %q", f.Reason)
	}
}

func TestBuildIsRefusedWhenTheDiskIsFull(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MinFreeDisk = 1 << 60 })
	f, _ := b.refused(request(files("Dockerfile", "FROM scratch\nCOPY a /a\n", "a", "a")))
	if !strings.Contains(f.Reason, "the disk of this server's images has less than") {
		t.Errorf("reason is %q", f.Reason)
	}
}
