package console

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"teal/deploy"
)

// trafficNow is what a router would tell of the tests' world.
func trafficNow() []Traffic {
	ago := func(d time.Duration) time.Time { return now().Add(-d) }
	return []Traffic{
		{
			App: "blog", Hosts: []string{"blog.localhost", "secret.example.com"},
			Live: TrafficSide{Color: deploy.Blue, Release: 1, Instances: []TrafficInstance{{Index: 1, Addr: "10.210.0.66:8080", Up: true, Since: ago(50 * time.Hour)}}},
		},
		{
			App: "shop", Hosts: []string{"shop.localhost"}, Share: 10,
			Live: TrafficSide{
				Color: deploy.Green, Release: 14, Rate: 312.4,
				Figures: deploy.Figures{Requests: 18234, Errors: 3, Failed: 1, InFlight: 5, Sockets: 7, P50: 4.2, P99: 13.1},
				Instances: []TrafficInstance{
					{Index: 1, Addr: "10.210.0.3:8080", InFlight: 5, Sockets: 7, Requests: 17000, Up: true, Since: ago(100 * time.Second), Check: "200 in 3 ms", CheckAt: ago(4 * time.Second)},
					{Index: 2, Addr: "10.210.0.4:8080", Requests: 1234, Since: ago(12 * time.Second), Check: "the connection was refused", CheckAt: now()},
				},
			},
			Preview: TrafficSide{
				Color: deploy.Blue, Release: 15, Rate: 3.25, Figures: deploy.Figures{Requests: 201, P50: 5, P99: 18},
				Instances: []TrafficInstance{{Index: 1, Addr: "10.210.0.2:8080", Requests: 201, Up: true, Since: ago(61 * time.Second), Check: "200 in 2 ms", CheckAt: now()}},
			},
		},
		{App: "quiet", Live: TrafficSide{}, Held: true, Waiting: 3},
	}
}

func TestStatsShowBothColorsToThoseWhoMaySeeTheApp(t *testing.T) {
	f := newFake()
	s := serve(t, f, func(c *Console) { c.Traffic = trafficNow })
	for _, user := range []string{"anna", "vera"} {
		a := as(t, f, s, user).get("/stats")
		a.is(t, http.StatusOK, "v14", "v15", "312", "3.2", "18,234", "1 of 2 up", "1 of 1 up", "4.2 ms", "13 ms", "18 ms",
			"10 % of production", "10 % of new requests to blue", "10.210.0.4:8080", "down 12 s", "up 1 min",
			"check: 200 in 3 ms", "checked 4 s ago", "check: the connection was refused")
		a.lacks(t, "blog", "10.210.0.66", "secret.example.com")
	}
	as(t, f, s, "olaf").get("/stats").is(t, http.StatusOK, "knows no app of yours")
	root := as(t, f, s, "root").get("/stats")
	root.is(t, http.StatusOK, "shop", "blog", "nothing is there", "not checked")
}

func TestStatsAreNotThereWithoutARouter(t *testing.T) {
	f := newFake()
	as(t, f, serve(t, f), "anna").get("/stats").is(t, http.StatusNotFound)
}

func TestStatsMoveWithoutAReload(t *testing.T) {
	f := newFake()
	var requests atomic.Uint64
	requests.Store(18234)
	s := serve(t, f, func(c *Console) {
		c.Traffic = func() []Traffic {
			all := trafficNow()
			all[1].Live.Figures.Requests = requests.Load()
			return all
		}
	})
	ctx := browser(t)
	logInByLink(t, ctx, f, s, "anna")
	press(t, ctx, `nav a[href="/stats"]`)
	shows(t, ctx, `document.querySelector("#stats")?.textContent.includes("18,234")`)
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.body.dataset.kept = "yes"`))
	requests.Store(20111)
	shows(t, ctx, `document.querySelector("#stats").textContent.includes("20,111") && document.body.dataset.kept === "yes"`)
}
