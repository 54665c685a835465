package prooftest

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
)

// startHandler serves the handler and gives its address.
func startHandler(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := serveOn(l, h)
	t.Cleanup(stop)
	return l.Addr().String()
}

// startBounded is startHandler with the send buffers that containers of apps
// have: see Sysctls in package runtime. The kernel doubles what it is told.
func startBounded(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serveOn(bounded{l}, h))
	return l.Addr().String()
}

type bounded struct{ net.Listener }

func (b bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(256 << 10)
	}
	return c, err
}

// serveOn serves the handler until the function that it gives is called.
func serveOn(l net.Listener, h http.HandlerFunc) (stop func()) {
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	return func() { _ = s.Close(); <-done }
}

// startConns hands each connection to a function, and gives the address.
func startConns(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
			wg.Go(func() {
				serve(c)
				_ = c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}
