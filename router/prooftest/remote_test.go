package prooftest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"teal/deploy"
	"teal/router"
)

// remote is a router in a process of its own, so that its memory, goroutines
// and descriptors can be told from the test's. It takes orders as JSON lines.
type remote struct {
	t             testing.TB
	pid           int
	plain, secure string

	mu  sync.Mutex
	in  *json.Encoder
	out *json.Decoder
}

// order is what the process is asked to do; exactly one field is set.
type order struct {
	Point   *deploy.Route `json:",omitempty"`
	Replace *replace      `json:",omitempty"`
	Measure bool          `json:",omitempty"`
}

// replace drains a release and lets go of its sockets.
type replace struct {
	App     deploy.AppName
	Release int
}

// answer is what the process says after an order.
type answer struct {
	Plain, Secure string // its addresses; the first thing that it says
	Cut           int
	Measure       measure
}

// measure is what a process uses.
type measure struct {
	Goroutines  int
	Descriptors int
	Heap        uint64 // bytes in use after a collection
	RSS         int64  // bytes
}

func (m measure) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, heap %.1f MB, RSS %.1f MB", m.Goroutines, m.Descriptors, float64(m.Heap)/1e6, float64(m.RSS)/1e6)
}

func startRemote(t testing.TB) *remote {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-role", "router")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &remote{t: t, pid: cmd.Process.Pid, in: json.NewEncoder(in), out: json.NewDecoder(bufio.NewReader(out))}
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the router's process: %v", err)
		}
	})
	var hello answer
	if err := r.out.Decode(&hello); err != nil {
		t.Fatal(err)
	}
	r.plain, r.secure = hello.Plain, hello.Secure
	return r
}

func (r *remote) tell(o order) answer {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var a answer
	if err := r.in.Encode(o); err != nil {
		r.t.Fatal(err)
	}
	if err := r.out.Decode(&a); err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *remote) point(route deploy.Route) { r.t.Helper(); r.tell(order{Point: &route}) }

func (r *remote) addrs() (plain, secure string) { return r.plain, r.secure }

func (r *remote) replaced(_ context.Context, app string, release int) (cut int) {
	r.t.Helper()
	return r.tell(order{Replace: &replace{deploy.AppName(app), release}}).Cut
}

func (r *remote) measure() measure { r.t.Helper(); return r.tell(order{Measure: true}).Measure }

// rss is the resident memory of the process without asking it to do anything.
func (r *remote) rss() int64 { return residentMemory(r.pid) }

func residentMemory(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// serveRemote is the process.
func serveRemote() error {
	debug.SetGCPercent(50) // as the daemon has it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, plain, secure, err := newRouter(router.Limits{})
	if err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	ended := make(chan error, 1)
	go func() {
		ended <- r.Serve(serving, router.Listeners{Production: []net.Listener{plain}, ProductionTLS: []net.Listener{secure}})
	}()
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	if err := out.Encode(answer{Plain: plain.Addr().String(), Secure: secure.Addr().String()}); err != nil {
		return err
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil { // the test has ended
			stopServing()
			return <-ended
		}
		if err := out.Encode(carryOut(ctx, r, o)); err != nil {
			return err
		}
	}
}

func carryOut(ctx context.Context, r *router.Router, o order) (a answer) {
	switch {
	case o.Point != nil:
		r.Point(*o.Point)
	case o.Replace != nil:
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		a.Cut = r.Drain(ctx, o.Replace.App, o.Replace.Release)
		r.Release(ctx, o.Replace.App, o.Replace.Release)
	case o.Measure:
		a.Measure = measureSelf()
	}
	return a
}

func measureSelf() (m measure) {
	debug.FreeOSMemory() // collects first
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m.Heap, m.Goroutines, m.RSS = s.HeapAlloc, runtime.NumGoroutine(), residentMemory(os.Getpid())
	open, _ := filepath.Glob("/proc/self/fd/*")
	m.Descriptors = len(open)
	return m
}
