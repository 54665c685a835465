package builder

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"teal/builder/packages"
	"teal/deploy"
)

// officialBench is a Builder whose stack images have names of their own and whose
// registry mirror, on loopback, has images that are laid out as the official ones.
type officialBench struct {
	*bench
	registry *registry
}

func newOfficialBench(t *testing.T) *officialBench {
	t.Helper()
	r := newRegistry(t)
	b := newBench(t, func(c *Config) { c.Mirror = r.host })
	// Compilers take long to install: they are borrowed. What the official Debian
	// image has is what teal/apt has.
	if err := New(Config{Engine: b.engine, Namespace: b.ns}).Stack().Ensure(t.Context(), &lockedBuffer{}, "base", "apt", "build"); err != nil {
		t.Fatal(err)
	}
	b.stack.prefix = "teal-" + b.ns + "/"
	if err := b.engine.ImageTag(t.Context(), stackPrefix+"build", b.stack.prefix+"build"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before what they stand on
		for _, name := range imageNames(t, b.engine, b.stack.prefix) {
			_, _ = b.engine.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true})
		}
	})
	r.pushImage(stackPrefix+"apt", "debian:bookworm-slim")
	return &officialBench{b, r}
}

// official puts an image that imitates an official one into the mirror, under all
// of the names: the lines go over teal/apt.
func (b *officialBench) official(lines []string, names ...string) {
	b.t.Helper()
	dockerfile := []byte("FROM teal/apt\n" + strings.Join(lines, "\n") + "\n")
	var ours []string
	for _, ref := range fromRefs(dockerfile, nil) {
		if strings.HasPrefix(ref, stackPrefix) {
			ours = append(ours, ref)
		}
	}
	if err := New(Config{Engine: b.engine, Namespace: b.ns}).Stack().Ensure(b.t.Context(), &lockedBuffer{}, ours...); err != nil {
		b.t.Fatal(err)
	}
	var said lockedBuffer
	_, err := solve{
		engine: b.engine, upload: tarFiles(namedFile{"Dockerfile", dockerfile}), dockerfile: "Dockerfile",
		labels: map[string]string{labelNamespace: b.ns}, tags: []string{b.stack.prefix + "imitation"}, log: b.config.Log,
	}.run(b.t.Context(), newProgress(&said, 1<<20))
	if err != nil {
		b.t.Fatalf("%v\n%s", err, said.String())
	}
	b.registry.pushImage(b.stack.prefix+"imitation", names...)
}

// pushImage puts an image of the Engine into the registry, as Docker Hub has it
// under each of the names.
func (r *registry) pushImage(ref string, names ...string) {
	r.t.Helper()
	stream, err := testEngine(r.t).ImageSave(r.t.Context(), []string{ref})
	if err != nil {
		r.t.Fatal(err)
	}
	defer stream.Close()
	files, links := map[string][]byte{}, map[string]string{}
	for in := tar.NewReader(stream); ; {
		header, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if header.Typeflag == tar.TypeSymlink { // a layer that is there twice
			links[header.Name] = path.Join(path.Dir(header.Name), header.Linkname)
			continue
		}
		if files[header.Name], err = io.ReadAll(in); err != nil {
			r.t.Fatal(err)
		}
	}
	for name, is := range links {
		files[name] = files[is]
	}
	var saved []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &saved); err != nil || len(saved) != 1 {
		r.t.Fatalf("%v %v", saved, err)
	}
	var layers []any
	for _, name := range saved[0].Layers {
		layers = append(layers, map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": len(files[name]), "digest": r.put(files[name])})
	}
	r.manifest(r.unlabeled(files[saved[0].Config]), layers, names...)
}

// unlabeled takes the labels of Teal's own image away, and makes the configuration
// one of this registry alone: what is removed at the end is no image of others.
func (r *registry) unlabeled(config []byte) []byte {
	var all, inner map[string]json.RawMessage
	if err := json.Unmarshal(config, &all); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(all["config"], &inner); err != nil {
		r.t.Fatal(err)
	}
	inner["Labels"], _ = json.Marshal(map[string]string{"registry": r.host})
	all["config"], _ = json.Marshal(inner)
	config, _ = json.Marshal(all)
	return config
}

// manifest ties layers together under names: "python:3.12".
func (r *registry) manifest(config []byte, layers []any, names ...string) {
	text, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": r.put(config)},
		"layers": layers,
	})
	digest := r.put(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		r.tags["library/"+name] = digest
	}
}

// onOwnStack is a Dockerfile that Teal writes for the tree, on this bench's own stack images.
func (b *officialBench) onOwnStack(source fsSource, contain ...string) string {
	b.t.Helper()
	p, err := b.Preview(b.t.Context(), request(source))
	if err != nil {
		b.t.Fatal(err)
	}
	contains(b.t, p.Text(), contain...)
	return strings.ReplaceAll(p.Dockerfile, stackPrefix, b.stack.prefix)
}

// ensure makes stack images of this bench and gives the log.
func (b *officialBench) ensure(names ...string) string {
	b.t.Helper()
	var log lockedBuffer
	if err := b.stack.Ensure(b.t.Context(), &log, names...); err != nil {
		b.t.Fatalf("%v\n%s", err, log.String())
	}
	return log.String()
}

// stackImage gives one that is listed.
func (b *officialBench) stackImage(name string) StackImage {
	b.t.Helper()
	list, err := b.stack.List(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, i := range list {
		if i.Name == b.stack.prefix+name {
			return i
		}
	}
	b.t.Fatalf("%s is not listed: %+v", name, list)
	return StackImage{}
}

// refreshed looks for newer parts, whenever that was done last.
func (b *officialBench) refreshed(names ...string) (changed bool, log string, err error) {
	b.t.Helper()
	var said lockedBuffer
	changed, err = b.stack.refresh(b.t.Context(), &said, true, names...)
	return changed, said.String(), err
}

// officialPython is laid out as the official image is: all below /usr/local, and
// none of Debian's packages has Python.
var officialPython = []string{
	"USER root",
	installing(stackPrefix, "python3", "python3-venv", "tzdata"),
	"RUN cp -a /usr/bin/python3.11 /usr/bin/python3 /usr/local/bin/ && cp -a /usr/lib/python3.11 /usr/lib/python3 /usr/local/lib/ && \\\n" +
		"    rm -rf /usr/bin/python3* /usr/lib/python3* && sed -i -e '/^Package: .*python3/,/^$/d' /var/lib/dpkg/status",
	"ENV LANG=C.UTF-8 PYTHON_VERSION=3.12.10",
	`CMD ["python3"]`,
}

func TestStackImageOfAnOfficialImageIsMadeReplacedOnceAndKeptWhileTheRegistryIsSilent(t *testing.T) {
	t.Parallel()
	b := newOfficialBench(t)
	const run, build = "python:3.12-slim-bookworm", "python:3.12-bookworm"
	b.official(officialPython, run, build)

	app := []string{".python-version", "3.12\n", "requirements.txt", "", "app.py", pythonServer}
	dockerfile := b.onOwnStack(files(app...), "Python 3.12: .python-version says", "FROM teal/python:3.12-build AS build")
	log := b.ensure("python:3.12", "python:3.12-build")
	contains(t, log, "pulling "+run, "pulling "+build, "/python:3.12: ready after", "; "+run+")")
	first := b.stackImage("python:3.12")
	if !strings.HasSuffix(first.Source, "; "+run) {
		t.Errorf("the list says that it comes from %q", first.Source)
	}
	built, _ := b.build(request(files(append(app, "Dockerfile", dockerfile)...)))
	if status, body := get(t, b.start(built.Image)); status != 200 || !strings.Contains(body, "/usr/local/bin/python3") {
		t.Errorf("the app answered %d %q", status, body)
	}

	if changed, log, err := b.refreshed("python:3.12"); changed || err != nil {
		t.Errorf("nothing is newer: %v %v\n%s", changed, err, log)
	}
	b.official(append(officialPython, "ENV PYTHON_VERSION=3.12.11"), run)
	changed, log, err := b.refreshed("python:3.12")
	second := b.stackImage("python:3.12")
	if !changed || err != nil || second.ID == first.ID || second.Version == first.Version {
		t.Errorf("a newer official image: %v %v %+v\n%s", changed, err, second, log)
	}
	if changed, log, err := b.refreshed("python:3.12"); changed || err != nil {
		t.Errorf("replaced twice: %v %v\n%s", changed, err, log)
	}
	if _, err := b.engine.ImageInspect(t.Context(), first.ID); err == nil {
		t.Error("the stack image that was replaced is still there")
	}

	b.registry.silence()
	changed, log, err = b.refreshed("python:3.12")
	if changed || err == nil {
		t.Fatalf("a silent registry: %v %v\n%s", changed, err, log)
	}
	contains(t, err.Error(), "cannot refresh the stack image", "it was made from "+run+", about which its registry gives no answer now")
	if now := b.stackImage("python:3.12"); now.ID != second.ID {
		t.Errorf("%s became %s", second.ID, now.ID)
	}
}

const pythonServer = `import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{sys.version} {sys.executable} {sys._base_executable}".encode())

http.server.HTTPServer(("", 8080), Handler).serve_forever()
`

// TestOfficialImageGetsWhatTheArchivesHaveBeyondIt: it is made anew weeks after an
// update. Nothing is replaced while they have no more, and nothing goes back to
// older packages while they do not answer.
func TestOfficialImageGetsWhatTheArchivesHaveBeyondIt(t *testing.T) {
	t.Parallel()
	b := newOfficialBench(t)
	const old = "3.0.20-1~deb12u2"
	b.official([]string{`RUN ["sed", "-i", "` + setVersion("libssl3", old) + `", "/var/lib/dpkg/status"]`}, "debian:bookworm-slim")
	has := func() string {
		t.Helper()
		status, err := b.stack.lists().Status(t.Context(), b.stack.prefix+"base")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages.Dpkg(status) {
			if p.Name == "libssl3" {
				return p.Version
			}
		}
		return ""
	}
	log := b.ensure("base", "apt")
	now := has()
	if compareVersions(now, old) <= 0 {
		t.Fatalf("libssl3 is %s\n%s", now, log)
	}
	first := b.stackImage("base")
	for _, known := range []bool{true, false} { // the second time it is made anew to be compared
		if changed, log, err := b.refreshed("base"); changed || err != nil {
			t.Errorf("nothing is newer: %v %v\n%s", changed, err, log)
		}
		status, err := b.stack.lists().Status(t.Context(), first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if known {
			more := scanResult{changes: []deploy.Change{{Kind: deploy.PackageDeb, Name: "libssl3", New: "99"}}}
			b.stack.remember([]scanned{{status: status, codename: "bookworm"}}, []scanResult{more})
		}
	}
	b.stack.aptSources = []string{"deb http://127.0.0.1:9/debian {codename} main"}
	changed, log, err := b.refreshed("base")
	if changed || err == nil || has() != now {
		t.Fatalf("silent archives: %v %v, libssl3 is %s\n%s", changed, err, has(), log)
	}
	contains(t, log, "debian:bookworm-slim could not be upgraded")
	contains(t, err.Error(), "its libssl3 "+old+" is older than "+now+" in the image that is here, which stays")
}
