package router

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/deploy"
)

// deadInstance is one whose port refuses.
func deadInstance(t testing.TB, release int) deploy.Instance {
	return instanceAt(release, deadAddr(t))
}

func TestRefusedConnectionIsRetriedOnTheRouteOfNow(t *testing.T) {
	var r *testRouter
	alive := startApp(t, 2, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("two")) })
	r = startRouter(t, Config{Log: whenTakenOut(func() { r.pointShop(alive) })})
	r.pointShop(deadInstance(t, 1))
	if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "two" {
		t.Errorf("got %d %q", status, body)
	}
	if f := r.Figures("shop", 1); f.Requests != 0 || f.Failed != 0 {
		t.Errorf("the release that did not answer counts %+v", f)
	}
}

// whenTakenOut is a log that calls do, before the request that was refused is
// tried again, when an instance is taken out.
func whenTakenOut(do func()) *slog.Logger { return slog.New(takenOut(do)) }

type takenOut func()

func (do takenOut) Handle(_ context.Context, rec slog.Record) error {
	if rec.Message == "instance is taken out" {
		do()
	}
	return nil
}
func (takenOut) Enabled(context.Context, slog.Level) bool { return true }
func (do takenOut) WithAttrs([]slog.Attr) slog.Handler    { return do }
func (do takenOut) WithGroup(string) slog.Handler         { return do }

// TestPauseBeforeATryEndsWithANewTable keeps nobody waiting for a route that
// is there already.
func TestPauseBeforeATryEndsWithANewTable(t *testing.T) {
	dead := deadInstance(t, 1)
	synctest.Test(t, func(t *testing.T) {
		r := &testRouter{Router: New(Config{}), t: t}
		r.pointShop(dead)
		x := &exchange{router: r.Router, client: stayer{}, tries: 1, asker: asker{host: "shop.test", front: production}}
		if v := r.claim(&x.asker, &x.place); v != placed {
			t.Fatalf("verdict %v", v)
		}
		x.avoid = x.choose(&x.asker, r.now())
		x.avoid.health.asideUntil.Store(int64(asideFor))
		time.AfterFunc(20*time.Millisecond, func() { r.pointShop(deadInstance(t, 2)) })
		if start := time.Now(); !x.pause() || time.Since(start) != 20*time.Millisecond {
			t.Errorf("it took %v, want 20ms", time.Since(start))
		}
		if start := time.Now(); !x.pause() || time.Since(start) != 0 {
			t.Errorf("with the new table it took %v", time.Since(start))
		}
	})
}

// stayer is a client that does not leave.
type stayer struct{ client }

func (stayer) leaving() (<-chan struct{}, func()) { return nil, func() {} }

func TestInstanceThatRefusesIsPutAside(t *testing.T) {
	r := startRouter(t, Config{})
	alive := startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	r.pointShop(deadInstance(t, 1), alive, deadInstance(t, 1))
	client := r.client()
	start := time.Now()
	for range 100 {
		if status, _ := get(t, client, "http://shop.test/"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	took := time.Since(start)
	refused := value(metric(scrape(t, r.Router), "teal_connect_errors_total", "app=shop color=blue"))
	if most := 2 * (1 + int(took/asideFor)); refused < 1 || refused > float64(most) {
		t.Errorf("100 requests within %v were refused %v times, want at most %d", took, refused, most)
	}
	eventually(t, "both are aside", func() bool {
		get(t, client, "http://shop.test/")
		in := r.Stats()[0].Live.Instances
		return in[0].Aside && !in[1].Aside && in[2].Aside
	})
}

func TestAppThatIsDownIsToldSoSoon(t *testing.T) {
	r := startRouter(t, Config{})
	in := deadInstance(t, 1)
	r.pointShop(in)
	r.pool("shop", 1).instance(in).health.answered.Store(true) // else it may be starting
	start := time.Now()
	status, _ := get(t, r.client(), "http://shop.test/")
	if took := time.Since(start); status != 502 || took > 5*time.Second {
		t.Errorf("status %d after %v", status, took)
	}
	if f := r.Figures("shop", 1); f.Requests != 1 || f.Failed != 1 {
		t.Errorf("figures %+v", f)
	}
}

func TestRequestsGoToTheInstanceWithFewerInFlight(t *testing.T) {
	r := startRouter(t, Config{})
	stuck := make(chan struct{})
	var slow, quick atomic.Int64
	one := startApp(t, 1, func(http.ResponseWriter, *http.Request) { slow.Add(1); <-stuck })
	two := startApp(t, 1, func(http.ResponseWriter, *http.Request) { quick.Add(1) })
	defer close(stuck)
	r.pointShop(one, two)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			client := r.client()
			for range 40 {
				if req, _ := http.NewRequest("GET", "http://shop.test/", nil); quick.Load() < 150 {
					client.Timeout = 300 * time.Millisecond
					if resp, err := client.Do(req); err == nil {
						resp.Body.Close()
					}
				}
			}
		})
	}
	wg.Wait()
	if slow.Load()*10 > quick.Load() {
		t.Errorf("the stuck instance got %d requests, the quick one %d", slow.Load(), quick.Load())
	}
}
