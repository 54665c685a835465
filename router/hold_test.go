package router

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// holdShop puts shop.test on hold for at most d.
func (r *testRouter) holdShop(d time.Duration, in ...deploy.Instance) {
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(in...), Hold: true, HoldTime: d})
}

func (r *testRouter) waiting(t *testing.T, n int) {
	t.Helper()
	eventually(t, "requests wait", func() bool { return r.Stats()[0].Waiting == n })
}

func TestHeldRequestsAreAnsweredByTheNewRelease(t *testing.T) {
	r := startRouter(t, Config{})
	old := saying(t, 1)
	r.pointShop(old)
	clients := []*http.Client{r.client(), r.client(), r.client(), r.client()}
	for _, c := range clients {
		get(t, c, "http://shop.test/")
	}
	r.holdShop(20*time.Second, old)
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			if status, body := get(t, c, "http://shop.test/"); status != 200 || body != "2" {
				t.Errorf("got %d %q", status, body)
			}
		})
	}
	r.waiting(t, 4)
	r.holdShop(20*time.Second, old) // a route that changes otherwise lets nobody in
	r.waiting(t, 4)
	if n := r.Figures("shop", 1).Requests; n != 4 {
		t.Errorf("the old release got %d requests, want 4", n)
	}
	r.pointShop(saying(t, 2))
	wg.Wait()
	r.waiting(t, 0)
	if f := r.Figures("shop", 2); f.Requests != 4 || f.Failed != 0 || f.P99 > 1000 {
		t.Errorf("figures %+v", f)
	}
}

func TestHoldTouchesNothingInFlight(t *testing.T) {
	r := startRouter(t, Config{})
	old, started, finish := slowApp(t, 1)
	r.pointShop(old)
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, r.client(), "http://shop.test/")
		answered <- body
	}()
	<-started
	r.holdShop(10*time.Second, old)
	drained := make(chan int, 1)
	go func() { drained <- r.Drain(t.Context(), "shop", 1) }()
	select {
	case <-drained:
		t.Fatal("the drain did not wait for the request in flight")
	default:
	}
	close(finish)
	if body, cut := <-answered, <-drained; body != "done" || cut != 0 {
		t.Errorf("got %q, cut %d", body, cut)
	}
}

func TestRequestThatTheStoppedColorRefusedWaitsToo(t *testing.T) {
	var r *testRouter
	r = startRouter(t, Config{Log: whenTakenOut(func() { r.holdShop(time.Minute, deadInstance(t, 1)) })})
	r.pointShop(deadInstance(t, 1))
	go func() {
		r.waiting(t, 1)
		r.pointShop(saying(t, 2))
	}()
	if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "2" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestHoldEndsWithItsTime(t *testing.T) {
	r := startRouter(t, Config{})
	r.holdShop(50*time.Millisecond, saying(t, 1))
	resp, err := r.client().Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

func TestQueueOfAHoldIsBoundedAndForgetsWhoLeaves(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{MaxWaiting: 3}})
	r.holdShop(20*time.Second, saying(t, 1))
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://shop.test/", nil)
			if resp, err := r.client().Do(req); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v %v", resp, err)
			}
		})
	}
	r.waiting(t, 3)
	if status, _ := get(t, r.client(), "http://shop.test/"); status != 503 {
		t.Errorf("the fourth got %d, want 503", status)
	}
	leave()
	wg.Wait()
	r.waiting(t, 0)
	go func() {
		r.waiting(t, 1)
		r.pointShop(saying(t, 2))
	}()
	if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "2" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestHoldEndsWhenTheAppOrTheRouterGoes(t *testing.T) {
	r := startRouter(t, Config{})
	r.holdShop(time.Minute, saying(t, 1))
	status := make(chan int, 1)
	ask := func() {
		code, _ := get(t, r.client(), "http://shop.test/")
		status <- code
	}
	go ask()
	r.waiting(t, 1)
	r.Remove("shop")
	if got := <-status; got != 404 {
		t.Errorf("status %d after the app was removed, want 404", got)
	}
	r.holdShop(time.Minute, saying(t, 1))
	go ask()
	r.waiting(t, 1)
	start := time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != 503 || time.Since(start) > 5*time.Second {
		t.Errorf("status %d after %v, want 503 soon", got, time.Since(start))
	}
}

func TestPreviewIsNotHeld(t *testing.T) {
	r := startRouter(t, Config{})
	r.Point(deploy.Route{
		App: "shop", Hosts: []string{"shop.test"}, Hold: true,
		Live: backendOf(saying(t, 1)), Preview: backendOf(saying(t, 2)),
	})
	if _, body := get(t, clientTo(t, r.preview), "http://shop.test/"); body != "2" {
		t.Errorf("the preview answered %q", body)
	}
}
