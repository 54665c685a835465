package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
	"teal/store"
)

// oldPython is teal/python:3.11 made of Debian's main suite without its security
// suite. It stays from run to run, as oldBase does.
const oldPython = "teal-e2e/main-only-python:bookworm"

// pythonApp has no Dockerfile, answers what the load asks, and tells its files apart.
var pythonApp = map[string]string{
	"app.py": `import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shop import VERSION


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(b"\n" + self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, more):
        body = VERSION.encode() + more
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
`,
	"shop/__init__.py": "VERSION = \"1\"\n",
	"bin/task":         "#!/bin/sh\nexec python3 -c 'import shop'\n",
	"Procfile":         "web: python3 app.py\n",
	"teal.toml":        "[probe]\npath = \"/version\"\ninterval = \"50ms\"\n[patch]\ntell = true\n",
}

// TestScheduledRunLaysADetectedAppOverItsNewerBaseBitByBit: what the app runs on
// is brought up to date by the schedule, under load, and no request fails; the
// app itself stays as it was to the last bit. History, mail and console name the
// packages. Again, nothing happens.
func TestScheduledRunLaysADetectedAppOverItsNewerBaseBitByBit(t *testing.T) {
	t.Parallel()
	stackTurn.Lock()
	done := sync.OnceFunc(stackTurn.Unlock)
	t.Cleanup(done)
	box := newMailbox(t)
	box.open()
	w := newWorld(t, append(box.args(), "--patch-jitter", "0s")...)
	newer := useOldPython(w)
	a := w.app(t, "anna", "snake")
	for name, text := range pythonApp {
		writeFile(t, filepath.Join(a.dir, name), text, 0o755)
	}
	a.git("add", "-A").exits(0)
	a.git("commit", "-q", "-m", "Version 1").exits(0)
	a.push().exits(0).says("Python 3.11", "and no Dockerfile", "is live on")
	old := a.release(1)
	newer()
	wasSSL := a.packageVersion("libssl3")

	l, began := startLoad(a, 10), time.Now()
	w.command(t, "anna", "schedule", "snake", "*", "*", "*", "*", "*").exits(0)
	var patched deploy.Deployment
	inTime(t, 15*time.Minute, "the app was patched", func() bool {
		patched = a.lastStored()
		return patched.Cause == deploy.CausePatch && (patched.State == deploy.Live || patched.State.Ended())
	})
	done()
	t.Logf("after %s: %s", time.Since(began).Round(time.Second), patched.Note)
	if patched.State != deploy.Live || patched.Release != 2 || !strings.HasPrefix(patched.Note, "patched: ") {
		t.Errorf("the patch is recorded as %+v", patched)
	}
	a.upgraded(patched.Changes, "libpython3.11-stdlib", "libssl3")
	if nowSSL := a.packageVersion("libssl3"); nowSSL == wasSSL {
		t.Errorf("libssl3 is %s before and after", nowSSL)
	}
	w.command(t, "anna", "logs", "snake", "--deployment", fmt.Sprint(patched.ID)).exits(0).says("The same app laid over the newer teal/python:3.11", "libssl3 ")
	if s := a.standing(); s.Live != 2 || s.Previous != 1 {
		t.Errorf("after the patch the app has %+v", s)
	}

	now := a.release(2)
	before, after := filesIn(t, old.Image, "/app"), filesIn(t, now.Image, "/app")
	if len(before) < 5 || !slices.Equal(before, after) {
		t.Errorf("of %d files of the app's own these differ:\n%s", len(before), strings.Join(apart(before, after), "\n"))
	}
	if now.Commit != old.Commit || now.Image == old.Image {
		t.Errorf("%+v was patched to %+v", old, now)
	}

	a.shows(patched, box.next())
	serving := a.instances()
	w.command(t, "anna", "patch", "snake", "--now").exits(0).says("snake is up to date: no updates")
	if now := a.instances(); now != serving {
		t.Errorf("a run without updates restarted the app: %s became %s", serving, now)
	}
	l.stopUnharmed()
	box.empty()
}

// upgraded checks that the changes are upgrades, some of them for security, and
// that the named packages are among them.
func (a *app) upgraded(changes []deploy.Change, names ...string) {
	a.t.Helper()
	var security int
	for _, c := range changes {
		a.t.Logf("  %s %s", c, map[bool]string{true: "(security)"}[c.Security])
		names = slices.DeleteFunc(names, func(name string) bool { return name == c.Name })
		if c.Security {
			security++
		}
		if out, err := exec.Command("dpkg", "--compare-versions", c.Old, "lt", c.New).CombinedOutput(); c.Old == "" || c.New == "" || err != nil {
			a.t.Errorf("%s is no upgrade: %s", c, out)
		}
	}
	if len(names) > 0 || security == 0 {
		a.t.Errorf("no upgrade of %v among %d changes, %d of them for security", names, len(changes), security)
	}
}

// shows checks that people see the difference: in the history, on the console's
// page, and in the mail.
func (a *app) shows(d deploy.Deployment, m letter) {
	a.t.Helper()
	a.w.command(a.t, a.user, "deployments", a.name).exits(0).says(d.Note)
	page := html.UnescapeString(a.w.page(a.t, a.user, fmt.Sprintf("/apps/%s/deployments/%d", a.name, d.ID)))
	for _, c := range d.Changes {
		for _, text := range []string{c.Name, c.Old, c.New} {
			if !strings.Contains(page, text) {
				a.t.Errorf("the console's page does not name %q of %s", text, c)
			}
		}
	}
	if !strings.Contains(m.subject, a.name) || !strings.Contains(m.text, d.Changes[0].String()) {
		a.t.Errorf("the mail does not say %q: %q\n%s", d.Changes[0], m.subject, m.text)
	}
}

// page gives one page of the console.
func (w *world) page(t *testing.T, user, path string) string {
	t.Helper()
	return w.pages(t, user, path)[path]
}

// release is one of the app's as the store has it.
func (a *app) release(number int) (r deploy.Release) {
	a.t.Helper()
	a.w.withStore(func(ctx context.Context, db *store.DB) (err error) {
		r, err = db.Release(ctx, deploy.AppName(a.name), number)
		return err
	})
	return r
}

// apart gives the lines that only one of the two lists has.
func apart(before, after []string) (lines []string) {
	for _, line := range before {
		if !slices.Contains(after, line) {
			lines = append(lines, "- "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return lines
}

// filesIn lists what an image has below the path: name, mode, owner, and of
// files the time and what is in them. A directory's time is that of its making.
func filesIn(t *testing.T, image, path string) (list []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	made, err := engine.ContainerCreate(ctx, &container.Config{Image: image, NetworkDisabled: true}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}()
	stream, _, err := engine.CopyFromContainer(ctx, made.ID, path)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for in := tar.NewReader(stream); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(list)
			return list
		}
		sum := sha256.New()
		if err == nil {
			_, err = io.Copy(sum, in)
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s %s %d:%d", header.FileInfo().Mode(), header.Name, header.Linkname, header.Uid, header.Gid)
		if header.Typeflag != tar.TypeDir {
			line += fmt.Sprintf(" %s %x", header.ModTime.UTC().Format(time.RFC3339Nano), sum.Sum(nil))
		}
		list = append(list, line)
	}
}

// useOldPython has teal/python:3.11 be an old one until newer is called.
func useOldPython(w *world) (newer func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	w.run(w.bin, "stack", "build", "python:3.11", "python:3.11-build").exits(0) // no work when they are there
	if _, err := engine.ImageInspect(ctx, oldPython); err != nil {
		makeOldPython(ctx, w.t)
	}
	return standIn(ctx, w.t, "teal/python:3.11", oldPython)
}

// makeOldPython bootstraps it, and finishes it as Teal's own one is.
func makeOldPython(ctx context.Context, t *testing.T) {
	t.Helper()
	bare := newBase(t).name
	makeMainOnly(ctx, t, bare, "python:3.11", "python3", "tzdata")
	lines := []string{
		"FROM " + bare,
		"RUN echo app:x:65532:65532:app:/app:/usr/sbin/nologin >>/etc/passwd && echo app:x:65532: >>/etc/group && mkdir -p /app && chown 65532:65532 /app",
		"WORKDIR /app", "ENV PORT=8080",
	}
	buildOld(ctx, t, oldPython, tarOf(t, tarFile{"Dockerfile", 0o644, []byte(strings.Join(lines, "\n") + "\n")}))
}

// buildOld has the Engine build an image that stands in for one of Teal's.
func buildOld(ctx context.Context, t *testing.T, name string, tree io.Reader) {
	t.Helper()
	r, err := engine.ImageBuild(ctx, tree, build.ImageBuildOptions{Tags: []string{name}, Remove: true, ForceRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	said, err := io.ReadAll(r.Body)
	if err != nil || strings.Contains(string(said), `"errorDetail"`) {
		t.Fatalf("%v\n%s", err, said)
	}
}
