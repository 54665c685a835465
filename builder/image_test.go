package builder

import (
	"errors"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// tiny is the smallest app that can be built; a container of it can be made, not started.
func tiny(text string) fsSource {
	return files("Dockerfile", "FROM scratch\nCOPY a /a\nENTRYPOINT [\"/a\"]\n", "a", text)
}

func (b *bench) there(id string) bool {
	b.t.Helper()
	_, err := b.engine.ImageInspect(b.t.Context(), id)
	if err != nil && !errdefs.IsNotFound(err) {
		b.t.Fatal(err)
	}
	return err == nil
}

func TestRemoveImageTakesTheImageWithAllItsNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, _ := b.build(request(tiny(b.ns)))
	if err := b.engine.ImageTag(t.Context(), built.Image, b.repository("shop")+":another"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is gone already
		if err := b.RemoveImage(t.Context(), "shop", built.Image); err != nil {
			t.Fatal(err)
		}
	}
	if b.there(built.Image) {
		t.Error("the image is still there")
	}
}

func TestRemoveImageLeavesOneThatAContainerUses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, _ := b.build(request(tiny(b.ns)))
	made, err := b.engine.ContainerCreate(t.Context(), &container.Config{Image: built.Image, Labels: map[string]string{labelNamespace: b.ns}}, nil, nil, nil, "teal-"+b.ns)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveImage(t.Context(), "shop", built.Image); !errors.Is(err, deploy.ErrBusy) {
		t.Fatalf("of an image in use: %v", err)
	}
	image, err := b.engine.ImageInspect(t.Context(), built.Image)
	if err != nil || len(image.RepoTags) != 1 {
		t.Fatalf("the image in use lost its name: %v %v", image.RepoTags, err)
	}
	if err := b.engine.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveImage(t.Context(), "shop", built.Image); err != nil || b.there(built.Image) {
		t.Errorf("the image no longer in use is still there: %v", err)
	}
}

func TestRemoveImageRefusesWhatIsNotTheApps(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), newBench(t)
	built, _ := b.build(request(tiny(b.ns)))
	if err := b.RemoveImage(t.Context(), "blog", built.Image); err == nil {
		t.Error("another app's image was removed")
	}
	if err := other.RemoveImage(t.Context(), "shop", built.Image); err == nil {
		t.Error("another installation's image was removed")
	}
	if err := b.Stack().Ensure(t.Context(), &lockedBuffer{}, "static"); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveImage(t.Context(), "shop", "teal/static"); err == nil {
		t.Error("a stack image was removed")
	}
	if !b.there(built.Image) || !b.there("teal/static") {
		t.Error("an image is gone")
	}
}

func TestEqualTreesOfTwoCommitsAreTwoImages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := request(tiny(b.ns))
	first, _ := b.build(req)
	req.Commit = deploy.Commit{ID: "aaaaaaa0000000000000000000000000000000aa"}
	second, _ := b.build(req)
	if first.Image == second.Image {
		t.Error("the image does not say which commit it is of")
	}
	if err := b.RemoveImage(t.Context(), "shop", first.Image); err != nil {
		t.Fatal(err)
	}
	if !b.there(second.Image) {
		t.Error("removing one commit's image took the other one's")
	}
}
