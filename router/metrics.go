package router

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"teal/deploy"
)

// The metrics. Counting is done by the router's own atomics; these describe
// what is read from them at a scrape. An app's are gone when it is.
var (
	ofApp   = []string{"app"}
	ofColor = []string{"app", "color"}

	describeRequests   = describe("teal_requests_total", "Answered requests and opened WebSockets, by status; 499: the client left. Color none: no release was asked.", "app", "color", "code")
	describeDurations  = describe("teal_request_duration_seconds", "From a request's head to the end of its answer; without event streams, WebSockets, and the time on hold.", ofColor...)
	describeInFlight   = describe("teal_requests_in_flight", "Requests that are being answered.", ofColor...)
	describeSockets    = describe("teal_websockets_open", "WebSockets that are open.", ofColor...)
	describeStreams    = describe("teal_event_streams_open", "Event streams that are open.", ofColor...)
	describeWaiting    = describe("teal_requests_waiting", "Requests that wait while the app is on hold.", ofApp...)
	describeRetries    = describe("teal_retries_total", "Requests that were tried again, by reason.", "app", "color", "reason")
	describeConnects   = describe("teal_connect_errors_total", "Connections to instances that were not to be had.", ofColor...)
	describeUp         = describe("teal_instance_up", "0: the instance refuses connections, breaks its answers or fails its checks; else 1.", "app", "color", "instance")
	describePromotions = describe("teal_promotions_total", "Switches of production to another release, by its color.", ofColor...)
	describeDrains     = describe("teal_drain_duration_seconds", "How long the requests in flight on a replaced release took.", ofColor...)
	describeCuts       = describe("teal_drain_cuts_total", "What was unanswered or open at the end of a drain and was cut, by kind.", "app", "color", "kind")
	describeUnrouted   = describe("teal_unrouted_requests_total", "Requests that were refused, or whose host no app has, by status.", "code")
	describeDropped    = describe("teal_access_log_dropped_lines_total", "Lines of the access log that were not kept up with, or could not be written.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Metrics serves the router's metrics, and those of the process, in
// Prometheus' text format.
func (r *Router) Metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(r, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true})
}

// Describe says what Collect gives.
func (r *Router) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(r, out) }

// Collect reads all counters.
func (r *Router) Collect(out chan<- prometheus.Metric) {
	counted := r.countedApps()
	for _, one := range counted {
		for _, t := range one.tallies.all() {
			t.collect(out)
		}
		one.collectNow(out)
	}
	r.unrouted.collectCodes(out, describeUnrouted)
	out <- counter(describeDropped, r.dropped.Load())
}

// countedApp is what a scrape reads of an app.
type countedApp struct {
	app     deploy.AppName
	tallies *tallies
	entry   *entry
	pools   []*pool
}

// countedApps is the only thing for which a scrape takes the lock of the table.
func (r *Router) countedApps() []countedApp {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	out := make([]countedApp, 0, len(r.tallies))
	for app, tl := range r.tallies {
		one := countedApp{app: app, tallies: tl, entry: t.app(app)}
		for _, p := range r.pools[app] {
			one.pools = append(one.pools, p)
		}
		out = append(out, one)
	}
	return out
}

func counter(d *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func gauge(d *prometheus.Desc, n int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func labelOf(c deploy.Color) string {
	if c == "" {
		return "none"
	}
	return string(c)
}

// collect gives what only grows.
func (t *tally) collect(out chan<- prometheus.Metric) {
	app, color := string(t.app), labelOf(t.color)
	t.collectCodes(out, describeRequests, app, color)
	if t.color == "" {
		return // the rest needs a release
	}
	total, sum, below := t.durations.read()
	out <- prometheus.MustNewConstHistogram(describeDurations, total, sum, below, app, color)
	for i, reason := range retryNames {
		out <- counter(describeRetries, t.retries[i].Load(), app, color, reason)
	}
	out <- counter(describeConnects, t.refused.Load(), app, color)
	out <- counter(describePromotions, t.promotions.Load(), app, color)
	total, sum, below = t.drains.read()
	out <- prometheus.MustNewConstHistogram(describeDrains, total, sum, below, app, color)
	for i, kind := range cutNames {
		out <- counter(describeCuts, t.cuts[i].Load(), app, color, kind)
	}
}

// collectCodes gives the codes that were answered.
func (t *tally) collectCodes(out chan<- prometheus.Metric, d *prometheus.Desc, labels ...string) {
	for class := range t.codes {
		codes := t.codes[class].Load()
		if codes == nil {
			continue
		}
		for i := range codes {
			if n := codes[i].Load(); n > 0 {
				out <- counter(d, n, append(labels[:len(labels):len(labels)], strconv.Itoa((class+1)*100+i))...)
			}
		}
	}
}

// collectNow gives what is so at this moment.
func (c countedApp) collectNow(out chan<- prometheus.Metric) {
	flying, sockets, streams := map[*tally]int64{}, map[*tally]int64{}, map[*tally]int64{}
	for _, p := range c.pools {
		t := p.tally.Load()
		flying[t] += p.inFlight()
		sockets[t] += p.sockets.Load()
		streams[t] += p.streams.count.Load()
	}
	for _, t := range []*tally{c.tallies.blue, c.tallies.green} {
		out <- gauge(describeInFlight, flying[t], string(c.app), string(t.color))
		out <- gauge(describeSockets, sockets[t], string(c.app), string(t.color))
		out <- gauge(describeStreams, streams[t], string(c.app), string(t.color))
	}
	if c.entry == nil {
		return
	}
	waiting := int64(0)
	if c.entry.gate != nil {
		waiting = c.entry.gate.waiting.Load()
	}
	out <- gauge(describeWaiting, waiting, string(c.app))
	c.collectInstances(out)
}

func (c countedApp) collectInstances(out chan<- prometheus.Metric) {
	type key struct {
		color deploy.Color
		index int
	}
	seen := map[key]bool{}
	for i := range c.entry.sides {
		for _, in := range c.entry.sides[i].instances {
			if k := (key{in.Color, in.Index}); !seen[k] {
				seen[k] = true
				up := int64(0)
				if !in.health.ill.Load() {
					up = 1
				}
				out <- gauge(describeUp, up, string(c.app), labelOf(in.Color), strconv.Itoa(in.Index))
			}
		}
	}
}
