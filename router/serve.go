package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	stdlog "log"
)

// Listeners are the ports that Serve answers on. It closes them.
type Listeners struct {
	Production    []net.Listener // HTTP/1.1, and HTTP/2 from the first byte (h2c)
	ProductionTLS []net.Listener // plain listeners: TLS is the router's doing
	Preview       []net.Listener
	PreviewTLS    []net.Listener
}

// Serve answers requests until ctx ends or a listener fails. Then no
// connection is accepted any more, sockets get a Close frame, requests in
// flight have Limits.Shutdown to end, and Serve returns when all has ended.
// It may be called once.
func (r *Router) Serve(ctx context.Context, l Listeners) error {
	if len(l.ProductionTLS)+len(l.PreviewTLS) > 0 && r.config.TLS == nil {
		return errors.New("cannot serve TLS: Config.TLS is nil")
	}
	var own sync.WaitGroup
	working, stopWorking := context.WithCancel(context.Background())
	own.Go(func() { r.sweep(working) })
	own.Go(func() { r.runChecks(working) })
	if r.lines != nil {
		own.Go(func() { r.writeLines(working) })
	}
	err := r.accept(ctx, l)
	stopWorking()
	own.Wait()
	return err
}

// accept serves all listeners until ctx ends or one of them fails.
func (r *Router) accept(ctx context.Context, l Listeners) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var serving sync.WaitGroup
	start := func(l net.Listener, serve func(net.Listener) error) {
		serving.Go(func() {
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("%w on %s: %w", errListener, l.Addr(), err))
			}
		})
	}
	servers := []*http.Server{r.server(production), r.server(preview)}
	for i, plain := range [][]net.Listener{l.Production, l.Preview} {
		for _, l := range plain {
			start(l, servers[i].Serve)
		}
	}
	for i, secure := range [][]net.Listener{l.ProductionTLS, l.PreviewTLS} {
		for _, l := range secure {
			start(l, func(l net.Listener) error { return servers[i].ServeTLS(l, "", "") })
		}
	}
	<-ctx.Done()
	close(r.stopping)
	r.shutdown(servers)
	serving.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errListener) {
		return cause
	}
	return nil
}

var errListener = errors.New("cannot accept connections")

// server makes the HTTP side of one front-end.
func (r *Router) server(end frontEnd) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler:           front{r, end},
		Protocols:         &protocols,
		ReadHeaderTimeout: r.limits.ReadHeader,
		IdleTimeout:       r.limits.Idle,
		MaxHeaderBytes:    r.limits.MaxHeaderBytes,
		ErrorLog:          stdlog.New(quiet{r.log}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     r.limits.Write,
		},
	}
	if r.config.TLS != nil {
		s.TLSConfig = r.config.TLS.Clone()
		if s.TLSConfig.MinVersion == 0 {
			s.TLSConfig.MinVersion = tls.VersionTLS12
		}
	}
	return s
}

// shutdown ends the servers and waits for what they were doing.
func (r *Router) shutdown(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limits.Shutdown)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.dismissAll(ctx) })
	for _, s := range servers {
		wg.Go(func() {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		})
	}
	wg.Wait()
	for _, p := range r.allPools() {
		p.cut(production)
		p.cut(preview)
		p.closeIdle()
	}
	r.awaitHandlers()
	for _, p := range r.allPools() {
		p.closeIdle()
	}
}

// awaitHandlers waits for the handlers, whose connections are all closed by
// now; the bound is for one that hangs all the same.
func (r *Router) awaitHandlers() {
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for r.handlers.Load() > 0 {
		select {
		case <-tick.C:
		case <-patience.C:
			r.log.Error("requests did not end", "count", r.handlers.Load())
			return
		}
	}
}

// sweep closes idle upstream connections in time, and tells of dropped lines.
func (r *Router) sweep(ctx context.Context) {
	told := uint64(0)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, p := range r.allPools() {
			p.rate.mark(p.figures.requests.Load())
			for _, in := range p.known() {
				in.sweep(r.now())
			}
		}
		if n := r.dropped.Load(); n > told {
			r.log.Warn("lines of the access log were dropped", "lines", n-told)
			told = n
		}
	}
}

// quiet turns what net/http logs (broken handshakes, mostly) into debug lines.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(p []byte) (int, error) {
	q.log.Debug("http", "error", strings.TrimSpace(string(p)))
	return len(p), nil
}
