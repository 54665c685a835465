package builder

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"

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
	// Of different lengths: steps of the same second, size and words count as one.
	own := map[string]int64{}
	for _, last := range []string{"one", "three"} {
		built, _ := b.build(request(files("Dockerfile", "FROM teal/base\nCOPY big /big\nCOPY small /small\nCOPY last /last\n",
			"big", big, "small", small, "last", strings.Repeat(last, 1000))))
		own[built.Image] = int64(len(last)) * 1000
	}
	images, err := b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 2 {
		t.Fatalf("%d images, want 2", len(images))
	}
	for _, i := range images {
		if i.App != deploy.AppName("shop") || i.Bytes != own[i.ID] {
			t.Errorf("image %+v: want %d bytes of its own", i, own[i.ID])
		}
	}
	if err := b.RemoveImage(t.Context(), "shop", images[0].ID); err != nil {
		t.Fatal(err)
	}
	images, err = b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 || images[0].Bytes != own[images[0].ID]+320<<10 {
		t.Errorf("images are %+v: what was shared is the other one's alone now", images)
	}
}

// A build trims the cache to the bound that is configured, and builds soon after
// it do not look again. The Engine is a real one but for the trimming itself: its
// cache is everybody's.
func TestBuildTrimsTheCacheToItsBoundAtMostEveryFiveMinutes(t *testing.T) {
	t.Parallel()
	trims := newTrimWatch(t)
	var mu sync.Mutex
	now := time.Now()
	wait := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	b := newBench(t, func(c *Config) {
		c.MaxCache = 12345678
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	b.config.Engine = trims.engine
	build := func() {
		t.Helper()
		b.build(request(files("Dockerfile", "FROM scratch\nCOPY a /a\n", "a", b.ns)))
	}
	build()
	trims.are("12345678")
	wait(trimEvery - time.Second)
	build()
	trims.are("12345678")
	wait(time.Second)
	trims.fail(errors.New("the cache is locked"))
	build() // goes well all the same
	trims.are("12345678", "12345678")
}

// trimWatch stands before the Engine, notes what the cache is to be trimmed to,
// and keeps that from it.
type trimWatch struct {
	t      *testing.T
	engine *client.Client
	mu     sync.Mutex
	asked  []string
	err    error
}

func newTrimWatch(t *testing.T) *trimWatch {
	t.Helper()
	w := &trimWatch{t: t}
	w.engine = engineBehind(t, func(out http.ResponseWriter, r *http.Request, engine http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/build/prune") {
			engine.ServeHTTP(out, r)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, r.URL.Query().Get("keep-storage"))
		if w.err != nil {
			http.Error(out, w.err.Error(), http.StatusInternalServerError)
			return
		}
		out.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(out, `{"CachesDeleted": null, "SpaceReclaimed": 0}`)
	})
	return w
}

func (w *trimWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// are checks what the Engine was told to keep so far, in bytes.
func (w *trimWatch) are(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Join(w.asked, " ") != strings.Join(want, " ") {
		w.t.Errorf("the cache was trimmed to %q, want %q", w.asked, want)
	}
}
