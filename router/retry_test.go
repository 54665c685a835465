package router

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
)

// deadInstance is one whose port refuses.
func deadInstance(t testing.TB, release int) deploy.Instance {
	l := listen(t)
	defer l.Close()
	return instanceAt(release, l.Addr().String())
}

func TestRefusedConnectionIsRetriedOnTheRouteOfNow(t *testing.T) {
	r := startRouter(t, Config{})
	alive := startApp(t, 2, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("two")) })
	r.pointShop(deadInstance(t, 1))
	go func() {
		eventually(t, "the first try was refused", func() bool { return r.Stats()[0].Live.Instances[0].Aside })
		r.pointShop(alive)
	}()
	if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "two" {
		t.Errorf("got %d %q", status, body)
	}
	if f := r.Figures("shop", 1); f.Requests != 0 || f.Failed != 0 {
		t.Errorf("the release that did not answer counts %+v", f)
	}
}

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
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("100 requests took %v", took)
	}
	aside := 0
	for _, in := range r.Stats()[0].Live.Instances {
		if in.Aside {
			aside++
		}
	}
	if aside != 2 {
		t.Errorf("%d instances are aside, want 2", aside)
	}
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
