package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

// registry is one on loopback that serves images of one file each, as far as
// the Engine's pull goes (OCI distribution specification, "Pull").
type registry struct {
	t       *testing.T
	host    string
	silence func() // has it answer no more

	mu    sync.Mutex
	blobs map[string][]byte // by digest; manifests are blobs too
	tags  map[string]string // "name:tag" to the digest of a manifest
}

func newRegistry(t *testing.T) *registry {
	r := &registry{t: t, blobs: map[string][]byte{}, tags: map[string]string{}}
	server := httptest.NewServer(r)
	r.host, r.silence = strings.TrimPrefix(server.URL, "http://"), server.Close
	t.Cleanup(func() { server.Close(); r.forget() })
	return r
}

// push puts an image with one file there and returns its name.
func (r *registry) push(name, text string) string {
	r.t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := writeFile(w, "base.txt", 0o644, []byte(text)); err != nil {
		r.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	layerDigest := r.put(layer.Bytes())
	config, _ := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerDigest}},
	})
	manifest, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": r.put(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": layer.Len(), "digest": layerDigest}},
	})
	digest := r.put(manifest)
	r.mu.Lock()
	r.tags[name+":latest"] = digest
	r.mu.Unlock()
	return r.host + "/" + name
}

// TestPullLeavesNothingOfTheImageThatItReplaces: what has another name, or a
// container, stays.
func TestPullLeavesNothingOfTheImageThatItReplaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	registry := newRegistry(t)
	there := func() (ids []string) {
		t.Helper()
		images, err := b.engine.ImageList(t.Context(), image.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			for _, name := range append(i.RepoTags, i.RepoDigests...) {
				if strings.HasPrefix(name, registry.host+"/") && !slices.Contains(ids, i.ID) {
					ids = append(ids, i.ID)
				}
			}
		}
		return ids
	}
	pull := func(text string) string {
		t.Helper()
		ref := registry.push("debian", b.ns+text)
		if err := b.stack.pull(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		found, err := b.engine.ImageInspect(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return found.ID
	}
	if err := b.stack.fetch(t.Context(), registry.push("debian", b.ns+"someone's")); err != nil { // as docker pull does
		t.Fatal(err)
	}
	someones := there()
	pull("someone's")
	pull("zero")
	if !b.there(someones[0]) {
		t.Fatal("an image was removed that was here before Teal pulled it")
	}
	if _, err := b.engine.ImageRemove(t.Context(), someones[0], image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	one := pull("one")
	if again := pull("one"); again != one || len(there()) != 1 {
		t.Fatalf("the same digest: %s, %s of %v", one, again, there())
	}
	two := pull("two")
	if ids := there(); len(ids) != 1 || ids[0] != two || b.there(one) {
		t.Errorf("after the second one: %v, %s is the new one", ids, two)
	}
	name := "teal-" + b.ns + "/kept:by-hand"
	if err := b.engine.ImageTag(t.Context(), two, name); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = b.engine.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true}) }()
	three := pull("three")
	if !b.there(two) {
		t.Error("an image that has another name was removed")
	}
	made, err := b.engine.ContainerCreate(t.Context(), &container.Config{Image: three, Cmd: []string{"/none"}, Labels: map[string]string{labelNamespace: b.ns}}, nil, nil, nil, "teal-"+b.ns)
	if err != nil {
		t.Fatal(err)
	}
	pull("four")
	if !b.there(three) {
		t.Error("an image that a container was made of was removed")
	}
	if err := b.engine.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

// forget removes what was pulled from here, also images that lost their tag.
func (r *registry) forget() {
	engine := testEngine(r.t)
	images, err := engine.ImageList(context.Background(), image.ListOptions{})
	if err != nil {
		r.t.Error(err)
	}
	for _, i := range images {
		for _, name := range append(i.RepoDigests, i.RepoTags...) {
			if strings.HasPrefix(name, r.host+"/") {
				_, _ = engine.ImageRemove(context.Background(), i.ID, image.RemoveOptions{Force: true})
			}
		}
	}
}

func (r *registry) put(blob []byte) string {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digest] = blob
	return digest
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	if len(path) < 3 {
		return // the version check
	}
	name, kind, reference := strings.Join(path[:len(path)-2], "/"), path[len(path)-2], path[len(path)-1]
	if digest, ok := r.tags[name+":"+reference]; ok {
		reference = digest
	}
	blob, ok := r.blobs[reference]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		return
	}
	if kind == "manifests" {
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
	}
	w.Header().Set("Docker-Content-Digest", reference)
	w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
	if req.Method == http.MethodGet {
		_, _ = w.Write(blob)
	}
}
