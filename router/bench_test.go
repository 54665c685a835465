package router

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/deploy"
)

// BenchmarkRouter measures the CPU time that one request costs, in this router
// and in httputil.ReverseProxy with a tuned Transport, in the same run: 32
// keep-alive connections, lean raw client and app, whose own cost is measured
// without a router between them and subtracted. One operation is a round of
// all three, so ns/op says little; the other figures are medians over the rounds:
//
//	go test -run '^$' -bench Router -benchtime 5x teal/router
func BenchmarkRouter(b *testing.B) {
	for _, c := range []struct {
		name         string
		upload, body int
	}{
		{"GET-small", 0, 13}, {"GET-64KiB", 0, 64 << 10}, {"POST-16KiB", 16 << 10, 13},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkAgainstReverseProxy(b, c.upload, c.body) })
	}
}

func benchmarkAgainstReverseProxy(b *testing.B, upload, body int) {
	app := rawApp(b, body)
	teal := tealFront(b, app)
	stock := stockFront(b, app)
	request := rawRequest(upload)
	var direct, ours, theirs []float64
	for b.Loop() {
		direct = append(direct, cpuPerRequest(b, app, request))
		ours = append(ours, cpuPerRequest(b, teal, request))
		theirs = append(theirs, cpuPerRequest(b, stock, request))
	}
	base := median(direct)
	b.ReportMetric(median(ours)-base, "teal-cpu-µs/req")
	b.ReportMetric(median(theirs)-base, "reverseproxy-cpu-µs/req")
	b.ReportMetric((median(ours)-base)/(median(theirs)-base), "ratio")
	b.ReportMetric(base, "harness-cpu-µs/req")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func rawRequest(upload int) []byte {
	method := "GET"
	if upload > 0 {
		method = "POST"
	}
	var q bytes.Buffer
	fmt.Fprintf(&q, "%s /some/path?with=query HTTP/1.1\r\nHost: shop.test\r\n", method)
	io.WriteString(&q, "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"+
		"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"+
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nReferer: http://shop.test/\r\nCache-Control: no-cache\r\n"+
		"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n")
	if upload > 0 {
		fmt.Fprintf(&q, "Content-Length: %d\r\n", upload)
	}
	q.WriteString("\r\n")
	q.Write(make([]byte, upload))
	return q.Bytes()
}

// rawApp answers every request with the same bytes, with as little work as can be.
func rawApp(b *testing.B, body int) string {
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nServer: app\r\nContent-Length: %d\r\n\r\n", body))
	answer = append(answer, bytes.Repeat([]byte("x"), body)...)
	in := startRaw(b, 1, func(c net.Conn, br *bufio.Reader) {
		for {
			upload := 0
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
				if bytes.HasPrefix(line, []byte("Content-Length: ")) {
					fmt.Sscan(string(line[16:]), &upload)
				}
			}
			br.Discard(upload)
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	return in.Addr.String()
}

func tealFront(b *testing.B, app string) string {
	r := New(Config{AccessLog: io.Discard})
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(instanceAt(1, app))})
	l := listen(b)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Serve(ctx, Listeners{Production: []net.Listener{l}}) }()
	b.Cleanup(func() { cancel(); <-done })
	return l.Addr().String()
}

type bufferPool struct{ sync.Pool }

func (p *bufferPool) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *bufferPool) Put(v []byte) { p.Pool.Put(&v) }

func stockFront(b *testing.B, app string) string {
	to, _ := url.Parse("http://" + app)
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport:  transport,
		BufferPool: &bufferPool{sync.Pool{New: func() any { v := make([]byte, 32<<10); return &v }}},
	}
	l := listen(b)
	s := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	b.Cleanup(func() { s.Close(); <-done; transport.CloseIdleConnections() })
	return l.Addr().String()
}

// cpuPerRequest sends requests over 32 connections and gives the CPU time of
// the process per request in µs.
func cpuPerRequest(b *testing.B, addr string, request []byte) float64 {
	const conns, n = 32, 9600
	before := cpuTime()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			br := bufio.NewReader(c)
			for range n / conns {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(br); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64((cpuTime() - before).Nanoseconds()) / 1000 / n
}

func skipAnswer(br *bufio.Reader) error {
	length := 0
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if bytes.HasPrefix(line, []byte("Content-Length: ")) {
			for _, d := range bytes.TrimSpace(line[16:]) {
				length = length*10 + int(d-'0')
			}
		}
	}
	_, err := br.Discard(length)
	return err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkManyApps is what ten thousand apps cost that have had no request:
// the time to point at all of them, and the memory of one.
func BenchmarkManyApps(b *testing.B) {
	const apps = 10_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := New(Config{Log: slog.New(slog.DiscardHandler)})
		for i := range apps {
			in := instanceAt(1, "127.0.0.1:1")
			in.App = deploy.AppName(fmt.Sprint("app", i))
			r.Point(deploy.Route{App: in.App, Hosts: []string{fmt.Sprintf("app%d.test", i)}, Live: backendOf(in)})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/apps, "B/app")
		runtime.KeepAlive(r)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, apps := range []int{1, 10_000} {
		b.Run(fmt.Sprint(apps), func(b *testing.B) {
			t := newTable()
			hosts := make([]string, apps)
			for i := range apps {
				hosts[i] = fmt.Sprintf("app%d.apps.example.com", i)
				t.set(hosts[i], &entry{})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if t.find(hosts[i]) == nil {
					b.Fatal("not found")
				}
				if i++; i == apps {
					i = 0
				}
			}
		})
	}
}
