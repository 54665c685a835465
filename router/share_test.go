package router

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"teal/deploy"
)

// saying is an app that answers with its release.
func saying(t testing.TB, release int) deploy.Instance {
	return startApp(t, release, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, release) })
}

// share points shop.test at one, and percent of the requests at two.
func (r *testRouter) share(percent int, one, two deploy.Backend) {
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: one, Preview: two, Share: percent})
}

// browser is a client that keeps cookies.
func (r *testRouter) browser() *http.Client {
	c := r.client()
	c.Jar, _ = cookiejar.New(nil)
	return c
}

func TestShareOfRequestsGoesToTheNewRelease(t *testing.T) {
	r := startRouter(t, Config{})
	one, two := backendOf(saying(t, 1)), backendOf(saying(t, 2))
	client := r.client()
	for _, share := range []int{0, 10, 50, 100} {
		r.share(share, one, two)
		before := r.Figures("shop", 2).Requests
		for range 500 {
			get(t, client, "http://shop.test/")
		}
		got := float64(r.Figures("shop", 2).Requests-before) / 5
		if got < float64(share)-8 || got > float64(share)+8 || share%100 == 0 && got != float64(share) {
			t.Errorf("at %d %% the new release got %.1f %%", share, got)
		}
	}
}

func TestClientStaysOnItsSideWhileTheShareRises(t *testing.T) {
	r := startRouter(t, Config{})
	one, two := backendOf(saying(t, 1)), backendOf(saying(t, 2))
	clients := make([]*http.Client, 60)
	for i := range clients {
		clients[i] = r.browser()
	}
	was := make([]string, len(clients))
	var onNew []int
	for _, share := range []int{10, 30, 60, 90} {
		r.share(share, one, two)
		n := 0
		for i, c := range clients {
			_, first := get(t, c, "http://shop.test/")
			for range 3 {
				if _, body := get(t, c, "http://shop.test/"); body != first {
					t.Fatalf("at %d %% client %d was answered by %s and by %s", share, i, first, body)
				}
			}
			if was[i] == "2" && first == "1" {
				t.Errorf("client %d went back to the old release at %d %%", i, share)
			}
			if was[i] = first; first == "2" {
				n++
			}
		}
		onNew = append(onNew, n)
	}
	if onNew[0] > 20 || onNew[3] < 40 {
		t.Errorf("of 60 clients %v were on the new release at 10, 30, 60 and 90 %%", onNew)
	}
	r.share(0, one, two)
	for i, c := range clients {
		if _, body := get(t, c, "http://shop.test/"); body != "1" {
			t.Errorf("client %d is on the new release after the share fell to 0", i)
		}
	}
}

func TestClientThatLogsInStaysOnItsSideWithoutCookies(t *testing.T) {
	r := startRouter(t, Config{})
	r.share(50, backendOf(saying(t, 1)), backendOf(saying(t, 2)))
	sides := map[string]int{}
	for i := range 40 {
		client, answers := r.client(), map[string]bool{}
		for range 4 {
			req, _ := http.NewRequest("GET", "http://shop.test/", nil)
			req.Header.Set("Authorization", fmt.Sprint("Bearer key-", i))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			answers[string(body)] = true
			if len(resp.Cookies()) > 0 {
				t.Fatalf("got cookies %v", resp.Cookies())
			}
			sides[string(body)]++
		}
		if len(answers) != 1 {
			t.Errorf("key %d was answered by both releases", i)
		}
	}
	if len(sides) != 2 {
		t.Errorf("40 keys are all on one side: %v", sides)
	}
}

func TestNewReleaseThatIsDownCostsNoRequest(t *testing.T) {
	r := startRouter(t, Config{})
	one := backendOf(saying(t, 1))
	r.share(100, one, backendOf(deadInstance(t, 2)))
	client := r.browser()
	for range 50 {
		if status, body := get(t, client, "http://shop.test/"); status != 200 || body != "1" {
			t.Fatalf("got %d %q", status, body)
		}
	}
	r.share(100, one, deploy.Backend{Color: deploy.Green, Release: 2})
	if status, body := get(t, client, "http://shop.test/"); status != 200 || body != "1" {
		t.Fatalf("without instances: got %d %q", status, body)
	}
	// A POST that finds no connection was not delivered, so it may follow.
	r.share(100, one, backendOf(deadInstance(t, 2)))
	resp, err := client.Post("http://shop.test/", "text/plain", nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST: %v %v", resp, err)
	}
	resp.Body.Close()
}

func TestPreviewIsNotShared(t *testing.T) {
	r := startRouter(t, Config{})
	r.share(1, backendOf(saying(t, 1)), backendOf(saying(t, 2)))
	client := clientTo(t, r.preview)
	for range 30 {
		if _, body := get(t, client, "http://shop.test/"); body != "2" {
			t.Fatalf("the preview answered %q", body)
		}
	}
}

func TestDrainOfACanaryWaitsOnlyOnceItIsNotShared(t *testing.T) {
	r := startRouter(t, Config{})
	one := backendOf(saying(t, 1))
	slow, started, finish := slowApp(t, 2)
	r.share(100, one, backendOf(slow))
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, r.client(), "http://shop.test/")
		answered <- body
	}()
	<-started
	if cut := r.Drain(t.Context(), "shop", 2); cut != 0 {
		t.Fatalf("a drain of what is pointed at cut %d", cut)
	}
	r.share(0, one, backendOf(slow))
	drained := make(chan int, 1)
	go func() { drained <- r.Drain(t.Context(), "shop", 2) }()
	select {
	case <-drained:
		t.Fatal("the drain did not wait for the request that production sent to the canary")
	default:
	}
	close(finish)
	if body, cut := <-answered, <-drained; body != "done" || cut != 0 {
		t.Errorf("got %q, cut %d", body, cut)
	}
}
