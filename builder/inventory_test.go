package builder

import (
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPackagesOfTheImageThatWasReadLastAreNotReadAgain(t *testing.T) {
	t.Parallel()
	var reads atomic.Int32
	engine := engineBehind(t, func(out http.ResponseWriter, r *http.Request, engine http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/containers/create") {
			reads.Add(1)
		}
		engine.ServeHTTP(out, r)
	})
	b := newBench(t)
	one, _ := b.build(request(files("Dockerfile", "FROM teal/base\nCOPY a /a\n", "a", "one "+b.ns)))
	other, _ := b.build(request(files("Dockerfile", "FROM scratch\nCOPY a /a\n", "a", "other "+b.ns)))
	b.config.Engine = engine
	read := func(image string, wantReads int32) (packages int) {
		t.Helper()
		list, err := b.Packages(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.Packages(t.Context(), image)
		if err != nil || !reflect.DeepEqual(list, again) {
			t.Errorf("read again it has other packages (%v)", err)
		}
		if got := reads.Load(); got != wantReads {
			t.Errorf("the Engine was asked %d times, want %d", got, wantReads)
		}
		return len(list.Packages)
	}
	if a, c := read(one.Image, 1), read(other.Image, 2); a < 20 || c != 0 {
		t.Errorf("%d and %d packages", a, c)
	}
}
