package router

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"teal/deploy"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv("ROUTER_TEST_APP"); addr != "" {
		serveApp(addr)
	}
	if path := os.Getenv("ROUTER_TEST_LOG"); path != "" {
		fillDisk(path)
	}
	flag.Parse()
	code := m.Run()
	if only := flag.Lookup("test.run").Value.String() + flag.Lookup("test.bench").Value.String() + flag.Lookup("test.fuzz").Value.String(); code == 0 && only == "" {
		netHTTP = true
		fmt.Println("again, with net/http's engine")
		code = m.Run()
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// netHTTP is which engine reads HTTP/1.1 in the tests: all run with the
// router's own, then again with net/http's.
var netHTTP bool

// serveApp is an app in a process of its own, which can be killed.
func serveApp(addr string) {
	err := http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startProcess runs an app as a process; kill ends it the hard way.
func startProcess(t *testing.T, release int) (in deploy.Instance, kill func()) {
	t.Helper()
	return startProcessAt(t, release, deadAddr(t))
}

func startProcessAt(t *testing.T, release int, addr string) (in deploy.Instance, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROUTER_TEST_APP="+addr)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	t.Cleanup(kill)
	eventually(t, "the app listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return instanceAt(release, addr), kill
}

// testRouter is a router that answers on real ports.
type testRouter struct {
	*Router
	t       *testing.T
	plain   string // address of production
	preview string
	secure  string // address of production over TLS; "" without Config.TLS
	stop    func() error
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// deadAddr gives an address that refuses connections until somebody who is told
// of it listens there: it stays bound, so that the system gives it to nobody else.
func deadAddr(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

func startRouter(t *testing.T, c Config) *testRouter {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.NetHTTP = c.NetHTTP || netHTTP
	r := New(c)
	l := Listeners{Production: []net.Listener{listen(t)}, Preview: []net.Listener{listen(t)}}
	tr := &testRouter{Router: r, t: t, plain: l.Production[0].Addr().String(), preview: l.Preview[0].Addr().String()}
	if c.TLS != nil {
		l.ProductionTLS = []net.Listener{listen(t)}
		tr.secure = l.ProductionTLS[0].Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	tr.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return fmt.Errorf("the router did not end")
		}
	})
	t.Cleanup(func() {
		if err := tr.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return tr
}

// startApp serves the handler as an instance of the release.
func startApp(t testing.TB, release int, h http.HandlerFunc) deploy.Instance {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return instanceAt(release, l.Addr().String())
}

// startRaw serves each connection with a function that reads and writes it itself.
func startRaw(t testing.TB, release int, serve func(net.Conn, *bufio.Reader)) deploy.Instance {
	t.Helper()
	l := listen(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() { defer c.Close(); serve(c, bufio.NewReader(c)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return instanceAt(release, l.Addr().String())
}

func instanceAt(release int, addr string) deploy.Instance {
	return deploy.Instance{
		ID: "c-" + addr, App: "shop", Color: colorOf(release), Release: release, Index: 1,
		Addr: netip.MustParseAddrPort(addr), Running: true,
	}
}

func colorOf(release int) deploy.Color {
	if release%2 == 1 {
		return deploy.Blue
	}
	return deploy.Green
}

func backendOf(in ...deploy.Instance) deploy.Backend {
	if len(in) == 0 {
		return deploy.Backend{}
	}
	return deploy.Backend{Color: in[0].Color, Release: in[0].Release, Instances: in}
}

// pointShop routes shop.test to the instances.
func (r *testRouter) pointShop(in ...deploy.Instance) {
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: backendOf(in...)})
}

// client makes an HTTP/1.1 client that reaches the router for every host.
func (r *testRouter) client() *http.Client { return clientTo(r.t, r.plain) }

func clientTo(t testing.TB, addr string) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		MaxIdleConnsPerHost: 100,
		DisableCompression:  true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// get returns status and body.
func get(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// talk is a raw connection to the router.
type talk struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

func dialRaw(t testing.TB, addr string) *talk {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &talk{c, t, bufio.NewReader(c)}
}

func (c *talk) say(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one response with its body.
func (c *talk) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// eventually polls until the claim holds.
func eventually(t testing.TB, claim string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", claim)
		}
	}
}

func within(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("took too long: %s", what)
	}
}

// readHead reads a request head from a connection of a raw app, as lines.
func readHead(br *bufio.Reader) ([]string, error) {
	var lines []string
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return lines, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}
