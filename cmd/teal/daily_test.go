package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal/builder"
	"teal/deploy"
)

// bases are base images that can't be refreshed, as where neither a registry
// answers nor Teal is root.
type bases struct {
	asked int
	err   error
}

func (b *bases) Refresh(context.Context, io.Writer) (bool, error) {
	b.asked++
	return false, b.err
}

func (b *bases) List(context.Context) ([]builder.StackImage, error) {
	return []builder.StackImage{{Name: "teal/base", Apps: []string{"blog", "gone", "shop"}}, {Name: "teal/go"}, {Name: "teal/node:24", Apps: []string{"shop"}}}, nil
}

func TestBaseImagesThatCannotBeRefreshedAreAnEventOfTheAppsOnThem(t *testing.T) {
	t.Parallel()
	var told []string
	tell := func(_ context.Context, e deploy.Event) error {
		if e.App == "gone" {
			return fmt.Errorf("app gone: %w", deploy.ErrNotFound)
		}
		if strings.Contains(e.Text, "\n") {
			t.Errorf("more than a line: %q", e.Text)
		}
		told = append(told, fmt.Sprint(e.App, ": ", e.Text))
		return nil
	}
	b := &bases{err: errors.Join(errors.New("mmdebstrap is not installed"), errors.New("no registry answers"))}
	log := slog.New(slog.DiscardHandler)
	err := refreshBases(t.Context(), b, tell, log)
	if err == nil || !strings.Contains(err.Error(), "sudo teal stack refresh") || strings.Contains(err.Error(), "app gone") {
		t.Errorf("housekeeping says %v", err)
	}
	const text = "not all base images could be refreshed, those that are here stay: mmdebstrap is not installed; no registry answers"
	if want := []string{"blog: " + text, "shop: " + text}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	b.err, told = nil, nil
	if err := refreshBases(t.Context(), b, tell, log); err != nil || len(told) > 0 || b.asked != 2 {
		t.Errorf("when it works: %v, %q, asked %d times", err, told, b.asked)
	}
}

func TestHoldBuildsTakesWhatTheDaemonGivesItsContainer(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "docker", "buildkit")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu.idle", "cpu.weight", "memory.max", "pids.max"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := builder.Hold{Root: root, Unified: true, Free: 1 << 30, Most: 1 << 29}
	var out bytes.Buffer
	if err := run(t.Context(), h.Args(), strings.NewReader(""), &out, &out); err != nil || out.String() != "held\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	if text, err := os.ReadFile(filepath.Join(dir, "memory.max")); err != nil || string(text) != "536870912" {
		t.Errorf("memory.max is %q (%v)", text, err)
	}
}
