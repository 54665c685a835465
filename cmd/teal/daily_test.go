package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"teal/builder"
	"teal/deploy"
	"teal/store"
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

// TestHousekeepingRefreshesTheBaseImagesAndSaysToTheirAppsWhatFailed: the Engine
// is one that has a base image made of an official one whose registry is silent,
// and one of which nobody knows any more how it is made: that one just stays.
func TestHousekeepingRefreshesTheBaseImagesAndSaysToTheirAppsWhatFailed(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(r.URL.Path, "/distribution/"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasSuffix(r.URL.Path, "/images/teal/base:latest/json"), strings.HasSuffix(r.URL.Path, "/images/teal%2Fbase:latest/json"):
			fmt.Fprint(w, `{"Id": "sha256:2", "Config": {"Labels": {"teal.official": "debian:bookworm-slim"}}}`)
		case !strings.HasSuffix(r.URL.Path, "/images/json"):
			fmt.Fprint(w, `{}`)
		case strings.Contains(r.URL.Query().Get("filters"), "teal.stack"):
			fmt.Fprint(w, `[{"Id": "sha256:1", "RepoTags": ["teal/cobol:latest"], "Labels": {"teal.stack": "cobol"}},
				{"Id": "sha256:2", "RepoTags": ["teal/base:latest"], "Labels": {"teal.stack": "base"}}]`)
		default:
			fmt.Fprint(w, `[{"Id": "sha256:3", "Labels": {"teal.app": "blog", "teal.build.on": "", "teal.build.bases": "{\"base\":{},\"debian:bookworm-slim\":{}}"}},
				{"Id": "sha256:4", "Labels": {"teal.app": "shop", "teal.build.on": "", "teal.build.bases": "{\"teal/base\":{}}"}}]`)
		}
	}))
	defer engine.Close()
	docker, err := client.NewClientWithOpts(client.WithHost("tcp://"+engine.Listener.Addr().String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	defer docker.Close()
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range []deploy.AppName{"blog", "shop"} {
		if err := db.CreateApp(t.Context(), deploy.App{Name: name, Active: deploy.Blue}); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	d := &daemonParts{db: db, log: log, builder: builder.New(builder.Config{Engine: docker, Namespace: "n", Log: log})}
	if err := d.keepHouse(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot refresh the stack image teal/base: it was made from debian:bookworm-slim") || strings.Contains(err.Error(), "cobol") {
		t.Errorf("housekeeping says %v", err)
	}
	for app, want := range map[deploy.AppName]int{"blog": 0, "shop": 1} {
		events, err := db.Events(t.Context(), app, 100)
		told := slices.DeleteFunc(events, func(e deploy.Event) bool { return !strings.Contains(e.Text, "not all base images could be refreshed") })
		if err != nil || len(told) != want {
			t.Errorf("%s: %d events, want %d: %v (%v)", app, len(told), want, events, err)
		}
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
