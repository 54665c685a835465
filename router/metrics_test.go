package router

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"teal/deploy"
)

// scrape asks the metrics the way Prometheus does.
func scrape(t *testing.T, r *Router) map[string]*dto.MetricFamily {
	t.Helper()
	s := httptest.NewServer(r.Metrics())
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// metric gives the metric whose labels are these ("app=shop code=200"); nil for none.
func metric(families map[string]*dto.MetricFamily, name, labels string) *dto.Metric {
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.Label {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(have, " ") == labels {
			return m
		}
	}
	return nil
}

func value(m *dto.Metric) float64 {
	switch {
	case m.GetCounter() != nil:
		return m.Counter.GetValue()
	case m.GetGauge() != nil:
		return m.Gauge.GetValue()
	}
	return float64(m.GetHistogram().GetSampleCount())
}

func TestScrapeTellsWhatHappened(t *testing.T) {
	r := startRouter(t, Config{})
	client := r.client()
	slow, started, _ := slowApp(t, 2)
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
		}
	}))
	for range 5 {
		get(t, client, "http://shop.test/")
	}
	get(t, client, "http://shop.test/missing")
	get(t, client, "http://nobody.test/")
	r.pointShop(slow)
	go func() {
		if resp, err := r.client().Get("http://shop.test/"); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	if n := value(metric(scrape(t, r.Router), "teal_requests_in_flight", "app=shop color=green")); n != 1 {
		t.Errorf("%v in flight, want 1", n)
	}
	r.pointShop(deadInstance(t, 3))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r.Drain(ctx, "shop", 2)
	get(t, client, "http://shop.test/")

	got := scrape(t, r.Router)
	for _, want := range []struct {
		name, labels string
		value        float64
	}{
		{"teal_requests_total", "app=shop code=200 color=blue", 5},
		{"teal_requests_total", "app=shop code=404 color=blue", 1},
		{"teal_requests_total", "app=shop code=503 color=blue", 1},
		{"teal_requests_total", "app=shop code=504 color=green", 1},
		{"teal_request_duration_seconds", "app=shop color=blue", 7},
		{"teal_requests_in_flight", "app=shop color=green", 0},
		{"teal_requests_waiting", "app=shop", 0},
		{"teal_retries_total", "app=shop color=blue reason=connect", 2},
		{"teal_connect_errors_total", "app=shop color=blue", 3},
		{"teal_promotions_total", "app=shop color=blue", 1},
		{"teal_promotions_total", "app=shop color=green", 1},
		{"teal_drain_duration_seconds", "app=shop color=green", 1},
		{"teal_drain_cuts_total", "app=shop color=green kind=request", 1},
		{"teal_drain_cuts_total", "app=shop color=green kind=socket", 0},
		{"teal_instance_up", "app=shop color=blue instance=1", 0},
		{"teal_unrouted_requests_total", "code=404", 1},
		{"teal_access_log_dropped_lines_total", "", 0},
	} {
		m := metric(got, want.name, want.labels)
		if m == nil {
			t.Errorf("%s{%s} is not there", want.name, want.labels)
		} else if value(m) != want.value {
			t.Errorf("%s{%s} = %v, want %v", want.name, want.labels, value(m), want.value)
		}
	}
	if got["process_open_fds"] == nil || got["go_goroutines"] == nil {
		t.Error("nothing is told of the process")
	}
}

func TestMetricsOfAnAppGoWithIt(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(saying(t, 1))
	get(t, r.client(), "http://shop.test/")
	r.Remove("shop")
	for name, family := range scrape(t, r.Router) {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if l.GetName() == "app" {
					t.Errorf("%s still tells of %s", name, l.GetValue())
				}
			}
		}
	}
}

func TestMetricsAreNamedAsPrometheusWantsThem(t *testing.T) {
	r := New(Config{})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: deploy.Backend{Color: deploy.Blue, Release: 1}})
	r.unrouted.answered(400)
	r.tallies["shop"].blue.answered(200)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestCountingAndLoggingAllocateNothing(t *testing.T) {
	r := New(Config{AccessLog: &lines{}})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Sticky: true, Live: backendOf(instanceAt(1, "127.0.0.1:1"), instanceAt(1, "127.0.0.1:2"))})
	token := r.table.Load().app("shop").sides[production].instances[1].token
	cookies := []string{"session=1; " + stickyCookie + "=" + token}
	batch := make([]byte, 0, 2*batchSize)
	request := func() {
		var p place
		a := asker{host: "shop.test", cookies: cookies}
		if v := r.claim(&a, &p); v != placed || p.choose(&a, r.now()) == nil {
			t.Fatal("no place")
		}
		if lines := p.setCookies(nil, true); lines != nil {
			t.Fatalf("told again: %v", lines)
		}
		p.leave(production)
		r.ended(&p, ending{status: 200, took: time.Millisecond, timed: true}, r.now())
		line := accessLine{proto: "HTTP/1.1", method: "GET", host: "shop.test", target: "/a?b", status: 200, took: time.Millisecond, id: "x"}
		p.describe(&line)
		r.logAccess(&line)
		batch, _ = r.lines.take(batch[:0])
	}
	for range ringSize + 10 { // every slot has its memory
		request()
	}
	if n := testing.AllocsPerRun(1000, request); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestRetryOverADeadConnectionIsCounted(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}))
	client := r.client()
	eventually(t, "a dead connection was found", func() bool {
		if status, _ := get(t, client, "http://shop.test/"); status != 200 {
			t.Fatalf("status %d", status)
		}
		m := scrape(t, r.Router)
		return value(metric(m, "teal_retries_total", "app=shop color=blue reason=stale_connection")) > 0
	})
}

// BenchmarkAccounting is what a request costs beside the request itself: in
// figures and metrics (over all processors, which share the counters), and in
// the access log (one line, and its share of the writer's work).
func BenchmarkAccounting(b *testing.B) {
	r := New(Config{AccessLog: io.Discard})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(instanceAt(1, "127.0.0.1:1"))})
	e := r.table.Load().app("shop")
	b.Run("counters", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			p := place{entry: e, side: &e.sides[production]}
			for pb.Next() {
				r.ended(&p, ending{status: 200, took: 3 * time.Millisecond, timed: true}, r.now())
			}
		})
	})
	b.Run("line", func(b *testing.B) {
		b.ReportAllocs()
		p := place{entry: e, side: &e.sides[production]}
		line := accessLine{
			client: "203.0.113.7", proto: "HTTP/1.1", scheme: "https", method: "GET", host: "shop.test", target: "/some/path?q",
			status: 200, sent: 1234, took: 3 * time.Millisecond, id: "0123456789abcdef0123456789abcdef",
		}
		batch := make([]byte, 0, 2*batchSize)
		for b.Loop() {
			p.describe(&line)
			r.logAccess(&line)
			if r.lines.head.Load()%128 == 0 {
				batch, _ = r.lines.take(batch[:0])
			}
		}
		if r.dropped.Load() > 0 {
			b.Errorf("%d lines were dropped", r.dropped.Load())
		}
	})
}
