package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/moby/docker-image-spec/specs-go/v1"
)

func TestBaseThatWasMadeAgainAndHoldsTheSameIsNotNewer(t *testing.T) {
	t.Parallel()
	found := func(id, holds string) image.InspectResponse {
		config := &v1.DockerOCIImageConfig{}
		config.Labels = map[string]string{labelPackages: holds}
		return image.InspectResponse{ID: id, Config: config}
	}
	for _, c := range []struct {
		was  baseRef
		now  image.InspectResponse
		want bool
	}{
		{baseRef{ID: "a", Holds: "x"}, found("a", "x"), true},
		{baseRef{ID: "a", Holds: "x"}, found("b", "x"), true},
		{baseRef{ID: "a", Holds: "x"}, found("b", "y"), false},
		{baseRef{ID: "a"}, found("b", ""), false},
		{baseRef{ID: "a", Holds: "x"}, image.InspectResponse{ID: "b"}, false},
	} {
		if got := c.was.isStill(c.now); got != c.want {
			t.Errorf("%+v and %s %v: %t", c.was, c.now.ID, c.now.Config, got)
		}
	}
}

func TestDigestsOfAnImageAreThoseOfItsRegistryAndMirrorHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	const a, b = "sha256:aaaa", "sha256:bbbb"
	for _, c := range []struct {
		ref, mirror string
		known       []string
		want        []string
	}{
		{"node:20", "", []string{"node@" + a}, []string{a}},
		{"node", "", []string{"node@" + a, "node@" + b, "node@" + a}, []string{a, b}},
		{"docker.io/library/node:20", "", []string{"node@" + a}, []string{a}},
		{"index.docker.io/node:20", "", []string{"docker.io/library/node@" + a}, []string{a}},
		{"library/node:20", "", []string{"node@" + a}, []string{a}},
		{"node:20", "10.0.0.1:5000", []string{"10.0.0.1:5000/library/node@" + a}, []string{a}},
		{"docker.io/bitnami/node:20", "mirror.example", []string{"mirror.example/bitnami/node@" + a}, []string{a}},
		{"node:20", "", []string{"mirror.example/library/node@" + a, "bitnami/node@" + a}, nil},
		{"r.example:5000/node:20", "mirror.example", []string{"node@" + b, "r.example:5000/node@" + a}, []string{a}},
		{"r.example:5000/node", "", []string{"r.example:5000/node@" + a}, []string{a}},
		{"node@" + b, "", []string{"node@" + a}, []string{b}},
		{"node:20@" + b, "", nil, []string{b}},
	} {
		if got := digestsOf(image.InspectResponse{RepoDigests: c.known}, c.ref, c.mirror); !slices.Equal(got, c.want) {
			t.Errorf("%s with the mirror %q of %q: %q, want %q", c.ref, c.mirror, c.known, got, c.want)
		}
	}
}

// TestBaseIsNoNewerThanItselfHoweverItIsNamed: by a mirror, by another spelling or
// by its digest. One that is newer is told of as before.
func TestBaseIsNoNewerThanItselfHoweverItIsNamed(t *testing.T) {
	t.Parallel()
	registry := newRegistry(t)
	b := newBench(t, func(c *Config) { c.Mirror = registry.host })
	name := "teal-test-" + b.ns
	own := registry.push("base", b.ns)
	registry.push("library/"+name, b.ns)
	digest := registry.tags["base:latest"]
	t.Cleanup(func() {
		_, _ = b.engine.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true})
	})
	var images []string
	for n, ref := range []string{name, "docker.io/library/" + name, own, own + "@" + digest} {
		built, _ := b.build(request(files("Dockerfile", "FROM "+ref+"\nCOPY a /a\n", "a", fmt.Sprint(n))))
		images = append(images, built.Image)
	}
	pending := func() []string {
		t.Helper()
		all, err := b.Pending(t.Context(), images...)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, p := range all {
			said = append(said, p.String())
		}
		return said
	}
	for n, said := range pending() {
		if said != "no updates" {
			t.Errorf("%d: %s", n, said)
		}
	}
	registry.push("library/"+name, b.ns+" new")
	registry.push("base", b.ns+" new")
	want := []string{"newer: " + name, "newer: docker.io/library/" + name, "newer: " + own, "no updates"}
	if got := pending(); !slices.Equal(got, want) {
		t.Errorf("with newer ones: %q, want %q", got, want)
	}
}

// TestBaseThatCameFromNoRegistryIsNotCalledOld: loaded by hand, it has no digest
// that could be compared.
func TestBaseThatCameFromNoRegistryIsNotCalledOld(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := newRegistry(t).push("base", b.ns)
	by, _ := b.build(request(tiny(b.ns)))
	if err := b.engine.ImageTag(t.Context(), by.Image, ref); err != nil {
		t.Fatal(err)
	}
	built, _ := b.build(request(files("Dockerfile", "FROM "+ref+"\nCOPY b /b\n", "b", "1")))
	all, err := b.Pending(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	if len(all[0].Bases) > 0 || !strings.Contains(all[0].String(), "cannot tell: whether there is a newer "+ref) {
		t.Errorf("%s", all[0])
	}
}
