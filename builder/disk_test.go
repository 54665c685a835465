package builder

import (
	"context"
	"strings"
	"testing"

	"teal/deploy"
)

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func TestImagesCountOnlyWhatTheyDoNotShare(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	big, small := strings.Repeat("x", 300<<10), strings.Repeat("y", 20<<10)
	for _, last := range []string{"one", "two"} {
		b.build(request(files("Dockerfile", "FROM teal/base\nCOPY big /big\nCOPY small /small\nCOPY last /last\n",
			"big", big, "small", small, "last", strings.Repeat(last, 1000))))
	}
	images, err := b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 2 {
		t.Fatalf("%d images, want 2", len(images))
	}
	for _, i := range images {
		if i.App != deploy.AppName("shop") || i.Bytes != 3000 {
			t.Errorf("image %+v: want 3000 bytes of its own", i)
		}
	}
	if err := b.RemoveImage(t.Context(), "shop", images[0].ID); err != nil {
		t.Fatal(err)
	}
	images, err = b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 || images[0].Bytes != 3000+320<<10 {
		t.Errorf("images are %+v: what was shared is the other one's alone now", images)
	}
}
