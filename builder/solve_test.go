package builder

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// lostLayers is a bench whose Engine misses a layer in its first builds.
func lostLayers(t *testing.T, message string, times int32) (b *bench, builds *atomic.Int32) {
	t.Helper()
	builds = new(atomic.Int32)
	engine := engineBehind(t, func(out http.ResponseWriter, r *http.Request, engine http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/build") {
			engine.ServeHTTP(out, r)
			return
		}
		n := builds.Add(1)
		if cached := r.URL.Query().Get("nocache") == ""; cached != (n == 1) {
			t.Errorf("build %d: with the cache is %t", n, cached)
		}
		if n > times {
			engine.ServeHTTP(out, r)
			return
		}
		out.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(out, `{"errorDetail": {"message": %q}, "error": %q}`, message, message)
	})
	b = newBench(t)
	b.config.Engine, b.stack.engine = engine, engine
	return b, builds
}

func TestBuildWhoseCacheNamesALayerThatIsGoneIsDoneOnceMoreWithoutTheCache(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"layer does not exist", "failed to get layer sha256:0123: layer does not exist"} {
		b, builds := lostLayers(t, message, 1)
		built, log := b.build(request(tiny(b.ns)))
		contains(t, log, "the Engine's cache names a layer that is gone: building once more, without the cache")
		if _, err := b.engine.ImageInspect(t.Context(), built.Image); err != nil || builds.Load() != 2 {
			t.Errorf("%q: %v after %d builds", message, err, builds.Load())
		}
	}
}

func TestBuildIsDoneOnceMoreAtMostAndNotForWhatAStepSays(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]int32{"layer does not exist": 2, "process failed: layer does not exist": 1} {
		b, builds := lostLayers(t, message, 9)
		var log lockedBuffer
		_, err := b.Build(t.Context(), request(tiny(b.ns)), &log)
		if err == nil || builds.Load() != want {
			t.Errorf("%q: %v after %d builds", message, err, builds.Load())
		}
	}
}
