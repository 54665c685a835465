package router

import (
	"context"
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
	Preview       []net.Listener // the same, and TLS if Config.TLS is set
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
	var serving, watching sync.WaitGroup
	start := func(what net.Addr, serve func() error) {
		serving.Go(func() {
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("%w on %s: %w", errListener, what, err))
			}
		})
	}
	doors := []*door{newDoor(r, production), newDoor(r, preview)}
	watchCtx, stopWatching := context.WithCancel(context.Background())
	for i, d := range doors {
		plain, secure := l.Production, l.ProductionTLS
		if i == int(preview) {
			plain, secure = l.Preview, l.PreviewTLS
		}
		d.listeners = append(append(d.listeners, plain...), secure...)
		start(d.handed.Addr(), func() error { return d.http2.Serve(d.handed) })
		watching.Go(func() { d.watch(watchCtx) })
		for _, l := range plain {
			start(l.Addr(), func() error { return d.serve(l, nil) })
		}
		for _, l := range secure {
			start(l.Addr(), func() error { return d.serve(l, d.tls) })
		}
	}
	<-ctx.Done()
	close(r.stopping)
	r.shutdown(doors)
	serving.Wait()
	stopWatching()
	watching.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errListener) {
		return cause
	}
	return nil
}

var errListener = errors.New("cannot accept connections")

// server makes the part of a front-end that is net/http's: HTTP/2, or all of it.
func (r *Router) server(end frontEnd) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(r.config.NetHTTP)
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
			MaxReadFrameSize:     16 << 10, // RFC 9113 §4.2's least, so that a connection's buffer stays small
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     r.limits.Write,
		},
	}
	if r.config.TLS != nil {
		s.TLSConfig = r.config.TLS.Clone() // net/http changes it
	}
	return s
}

// shutdown closes the doors and waits for what went on behind them.
func (r *Router) shutdown(doors []*door) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limits.Shutdown)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.dismissAll(ctx) })
	for _, d := range doors {
		wg.Go(func() { d.shut(ctx) })
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
