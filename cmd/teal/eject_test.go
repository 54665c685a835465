package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEjectedDockerfileIsWhatThePlanSaysAndBuildsTheSameApp: build-plan prints
// it, eject writes it into the checkout and overwrites nothing, and Teal builds
// by it from then on.
func TestEjectedDockerfileIsWhatThePlanSaysAndBuildsTheSameApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "site")
	writeFile(t, filepath.Join(a.dir, "public", "index.html"), "hello\n", 0o644)
	a.git("add", "-A").exits(0)
	a.git("commit", "-q", "-m", "A site").exits(0)
	a.push().exits(0).says("Dockerfile written for it:", "FROM teal/static")
	a.answers("/", "hello")
	plan := w.command(t, "anna", "build-plan", "site").exits(0).says("A site", "# static site: files in public", "public/index.html found", "FROM teal/static")

	w.run(w.bin, "eject", a.dir).exits(0).says("Wrote", "public/index.html found", "git add Dockerfile .dockerignore")
	written, err := os.ReadFile(filepath.Join(a.dir, "Dockerfile"))
	if err != nil || !strings.Contains(plan.out, strings.TrimSpace(string(written))) {
		t.Errorf("eject wrote, %v:\n%s\nand the plan is\n%s", err, written, plan.out)
	}
	w.run(w.bin, "eject", a.dir).exits(1).says("is there already", "nothing was written")
	if again, _ := os.ReadFile(filepath.Join(a.dir, "Dockerfile")); string(again) != string(written) {
		t.Error("it was overwritten")
	}
	writeFile(t, filepath.Join(a.dir, "public", "index.html"), "hello again\n", 0o644)
	a.git("add", "-A").exits(0)
	a.git("commit", "-q", "-m", "Our own").exits(0)
	a.push().exits(0).says("found Dockerfile")
	a.answers("/", "hello again")
	w.command(t, "anna", "build-plan", "site").exits(0).says("FROM teal/static")

	empty := t.TempDir()
	w.run(w.bin, "eject", empty).exits(1).says("nothing to eject: there are no files")
}

// TestEjectAsksTheRegistryMirror: the Engine is one that reaches nothing but the mirror.
func TestEjectAsksTheRegistryMirror(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Api-Version", "1.41")
		switch {
		case strings.Contains(r.URL.Path, "/distribution/mirror.test/library/debian:bookworm-slim/"):
			fmt.Fprint(w, `{"Descriptor": {"digest": "sha256:1"}}`)
		case strings.Contains(r.URL.Path, "/distribution/"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasSuffix(r.URL.Path, "/images/json"):
			fmt.Fprint(w, `[]`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer engine.Close()
	host := "tcp://" + engine.Listener.Addr().String()
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{nil, "FROM teal/python:3.11\n"},
		{[]string{"--registry-mirror", "mirror.test"}, "FROM teal/python:3.12\n"},
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "main.py"), "", 0o644)
		writeFile(t, filepath.Join(dir, ".python-version"), "3.12\n", 0o644)
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"eject", dir, "--docker-host", host}, c.flags...), strings.NewReader(""), &out, &out); err != nil {
			t.Fatalf("%v: %v\n%s", c.flags, err, out.String())
		}
		written, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
		if err != nil || !strings.Contains(string(written), c.says) {
			t.Errorf("%v: no %q in %v\n%s", c.flags, c.says, err, written)
		}
	}
}

// silentRegistries is an Engine that reaches no registry, and has no image.
func silentRegistries(t *testing.T) (host string) {
	t.Helper()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.Contains(r.URL.Path, "/distribution/") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(engine.Close)
	return "tcp://" + engine.Listener.Addr().String()
}

func TestEjectWithoutADirectoryTakesTheOneThatItIsCalledIn(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "main.py", "", 0o644)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"eject", "--docker-host", silentRegistries(t)}, strings.NewReader(""), &out, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if _, err := os.Stat("Dockerfile"); err != nil {
		t.Error(err)
	}
}

// TestEjectLooksIntoFilesAsAPushDoes: C in a Go file, variables of pages.
func TestEjectLooksIntoFilesAsAPushDoes(t *testing.T) {
	t.Parallel()
	host := silentRegistries(t)
	for _, c := range []struct {
		files map[string]string
		says  []string
	}{
		{map[string]string{"go.mod": "module a\n\ngo 1.23\n", "main.go": "package main\n\nfunc main() {}\n"}, []string{"FROM scratch"}},
		{map[string]string{"go.mod": "module a\n\ngo 1.23\n", "main.go": "package main\n\nimport (\"C\")\n\nfunc main() {}\n"}, []string{"cgo: main.go imports C", "FROM teal/base"}},
		{map[string]string{
			"package.json": `{"scripts":{"build":"next build"},"dependencies":{"next":"15"}}`, "lib/a.js": "process.env.NEXT_PUBLIC_API + process.env.NEXT_PUBLIC_KEY\n",
			"teal.toml": "[build]\nargs = { NEXT_PUBLIC_API = 'x' }\n",
		}, []string{"ARG NEXT_PUBLIC_API\n", "warning: nothing gives the build NEXT_PUBLIC_KEY, which lib/a.js reads"}},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), text, 0o644)
		}
		var out bytes.Buffer
		if err := run(t.Context(), []string{"eject", dir, "--docker-host", host}, strings.NewReader(""), &out, &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		written, _ := os.ReadFile(filepath.Join(dir, "Dockerfile"))
		for _, text := range c.says {
			if !strings.Contains(string(written), text) {
				t.Errorf("%q is not in\n%s", text, written)
			}
		}
	}
}
