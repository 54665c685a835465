package builder

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Like those of builds, these tests are not parallel: the limits hold for all.

// makeStack makes a stack image with a step that runs a command of the tool.
func (b *bench) makeStack(command ...string) (log string, err error) {
	b.t.Helper()
	tree := withTool(nil, "RUN "+execForm(append([]string{"/tool"}, command...)...))
	var files []namedFile
	for _, name := range []string{"Dockerfile", "tool.go"} {
		data, err := tree.ReadFile(b.t.Context(), name, 1<<20)
		if err != nil {
			b.t.Fatal(err)
		}
		files = append(files, namedFile{name, data})
	}
	prepare := func(s *Stack, _ context.Context, _ *progress) (*product, error) {
		return &product{packages: b.ns, source: "a test", install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
			labels[labelNamespace] = b.ns // by which it is cleaned up
			return s.build(ctx, ref, labels, p, files...)
		}}, nil
	}
	if err := b.stack.Ensure(b.t.Context(), &lockedBuffer{}, "teal/go"); err != nil {
		b.t.Fatal(err)
	}
	b.stack.prefix = "teal-" + b.ns + "/"
	var said lockedBuffer
	_, err = b.stack.replace(b.t.Context(), recipe{name: "t" + b.ns, prepare: prepare}, newProgress(&said, 1<<20))
	return said.String(), err
}

// The ceiling is read in files of the test's own: whoever else builds on this
// Engine at the same time sets that of the real ones.
func TestBaseImagesAreMadeBelowTheCeilingOfMemory(t *testing.T) {
	root := t.TempDir()
	b := newBench(t, func(c *Config) { c.MaxMemory, c.groups = 512<<20, root })
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if group.systemd {
		return // a group for each step, which is gone
	}
	knobs := append(group.ceilings(0), group.shares(false)...)
	for _, k := range knobs {
		for _, dir := range group.dirs(k.controller) {
			if err := os.WriteFile(filepath.Join(dir, k.file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if log, err := b.makeStack("say", b.ns); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	for _, k := range group.ceilings(512 << 20) {
		text, err := os.ReadFile(filepath.Join(group.dirs(k.controller)[0], k.file))
		if err != nil || string(text) != k.value {
			t.Errorf("%s is %q (%v), want %q", k.file, text, err, k.value)
		}
	}
}

func TestBaseImagesAreMadeOutsideOfTheEnginesOwnGroup(t *testing.T) {
	b := newBench(t)
	group, err := b.buildGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if log, err := b.makeStack("aside", asideOf(group), b.ns); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestBaseImageIsNotBegunWhereThereIsNoMemoryForIt(t *testing.T) {
	meminfo := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(meminfo, []byte("MemTotal: 2048000 kB\nMemAvailable: 100000 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.meminfo = meminfo })
	if log, err := b.makeStack("say", b.ns); err == nil || !strings.Contains(err.Error(), "too little for a build beside the apps that run") {
		t.Errorf("error is %v\n%s", err, log)
	}
}
