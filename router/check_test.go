package router

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/deploy"
)

// checkShop points shop.test at the instances and has them checked often.
func (r *testRouter) checkShop(in ...deploy.Instance) {
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(in...),
		Check: deploy.Check{Path: "/health", Interval: 20 * time.Millisecond, Timeout: 10 * time.Second},
	})
}

// up tells which instances get requests, in the order of the route.
func (r *testRouter) up() string {
	s := ""
	for _, in := range r.Stats()[0].Live.Instances {
		if in.Up {
			s += "+"
		} else {
			s += "-"
		}
	}
	return s
}

func TestKilledInstanceCostsNoGET(t *testing.T) {
	r := startRouter(t, Config{})
	one, killOne := startProcess(t, 1)
	two, killTwo := startProcess(t, 1)
	r.checkShop(one, two)
	var done, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			client := r.client()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get("http://shop.test/")
				if err != nil || resp.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("a GET failed: %v %v", resp, err)
				}
				if err == nil {
					resp.Body.Close()
				}
				done.Add(1)
			}
		})
	}
	more := func() {
		before := done.Load()
		eventually(t, "requests flow", func() bool { return done.Load() > before+300 })
	}
	more()
	killOne()
	eventually(t, "the killed one is out", func() bool { return r.up() == "-+" })
	more()
	startProcessAt(t, 1, one.Addr.String())
	eventually(t, "it is back", func() bool { return r.up() == "++" })
	more()
	killTwo()
	more()
	close(stop)
	wg.Wait()
	t.Logf("%d GETs over two kills, %d failed, %+v", done.Load(), failed.Load(), r.Figures("shop", 1))
}

func TestChecksTakeOutAndTakeBack(t *testing.T) {
	r := startRouter(t, Config{})
	var sick atomic.Bool
	var checks, strange, asked atomic.Int64
	one := startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/health":
			asked.Add(1)
		case r.Host != "shop.test" || r.UserAgent() != "teal-check":
			strange.Add(1)
		default:
			if checks.Add(1); sick.Load() {
				w.WriteHeader(503)
			}
		}
	})
	two := startApp(t, 1, func(http.ResponseWriter, *http.Request) {})
	r.checkShop(one, two)
	eventually(t, "it was checked and is up", func() bool {
		in := r.Stats()[0].Live.Instances[0]
		return in.Up && in.Check != "" && time.Since(in.CheckAt) < time.Minute
	})
	sick.Store(true)
	eventually(t, "it is out", func() bool { return r.up() == "-+" })
	in := r.Stats()[0].Live.Instances[0]
	if in.Check != "status 503" || time.Since(in.Since) > time.Minute {
		t.Errorf("stats %+v", in)
	}
	before := asked.Load()
	for range 50 {
		get(t, r.client(), "http://shop.test/")
	}
	if asked.Load() != before {
		t.Error("an instance that is out got requests")
	}
	sick.Store(false)
	eventually(t, "it is back", func() bool { return r.up() == "++" })
	if strange.Load() != 0 {
		t.Errorf("%d checks had another host or name", strange.Load())
	}
}

func TestWhenAllAreOutRequestsStillTry(t *testing.T) {
	r := startRouter(t, Config{})
	sick := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(500)
		}
	}
	r.checkShop(startApp(t, 1, sick), startApp(t, 1, sick))
	eventually(t, "all are out", func() bool { return r.up() == "--" })
	if status, _ := get(t, r.client(), "http://shop.test/"); status != 200 {
		t.Errorf("status %d", status)
	}
	// The only instance of a release is not taken out, but shown as down.
	r.checkShop(startApp(t, 2, sick))
	eventually(t, "it is shown as down", func() bool { return r.up() == "-" })
	if status, _ := get(t, r.client(), "http://shop.test/"); status != 200 {
		t.Errorf("status %d", status)
	}
}

func TestCanaryThatFailsItsChecksIsLeftAtOnce(t *testing.T) {
	r := startRouter(t, Config{})
	one := saying(t, 1)
	sick := startApp(t, 2, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
	})
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"}, Share: 100, Live: backendOf(one), Preview: backendOf(sick),
		Check: deploy.Check{Path: "/", Interval: 10 * time.Millisecond},
	})
	eventually(t, "the canary is out", func() bool { return !r.Stats()[0].Preview.Instances[0].Up })
	for range 20 {
		if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "1" {
			t.Fatalf("got %d %q", status, body)
		}
	}
}

func TestChecksEndWithTheRoute(t *testing.T) {
	r := startRouter(t, Config{})
	asked, goOn := make(chan struct{}), make(chan struct{})
	in := startApp(t, 1, func(_ http.ResponseWriter, q *http.Request) {
		select {
		case asked <- struct{}{}:
			<-goOn
		case <-q.Context().Done():
		}
	})
	for _, end := range []func(){func() { r.Remove("shop") }, func() { r.pointShop(in) }} {
		r.checkShop(in)
		within(t, "the check", asked)
		end()
		goOn <- struct{}{} // it was under way, and none is beside it
		select {
		case <-asked:
			close(goOn)
			t.Fatal("it is checked after the end")
		case <-time.After(8 * checkTick):
		}
	}
}

func TestSilentInstanceIsOutByItsTimeout(t *testing.T) {
	r := startRouter(t, Config{})
	never := make(chan struct{})
	hang := startApp(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-never:
		case <-r.Context().Done():
		}
	})
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(hang, saying(t, 1)),
		Check: deploy.Check{Path: "/", Interval: 10 * time.Millisecond, Timeout: 200 * time.Millisecond},
	})
	eventually(t, "the silent one is out", func() bool { return r.up() == "-+" })
	if text := r.Stats()[0].Live.Instances[0].Check; text != "no answer within 200ms" {
		t.Errorf("its check says %q", text)
	}
}

func TestInstanceWhoseAnswersBreakIsPutAside(t *testing.T) {
	r := startRouter(t, Config{})
	broken := startApp(t, 1, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	r.pointShop(broken, saying(t, 1))
	client := r.client()
	for range 200 {
		if status, _ := get(t, client, "http://shop.test/"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	in := r.Stats()[0].Live.Instances[0]
	if in.Up || in.Requests > 20 {
		t.Errorf("the broken one got %d requests, up: %v", in.Requests, in.Up)
	}
}
