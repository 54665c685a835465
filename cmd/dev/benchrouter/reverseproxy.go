package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"time"
)

// reverseProxy is Go's own proxy with a tuned Transport: the yardstick of
// everything that is written in Go. It writes no access log.
var reverseProxy = peer{name: "ReverseProxy", start: func(ctx context.Context, s site) (*process, error) {
	return startSelf(ctx, s, "reverseproxy", s.plain, s.secure, s.app, s.dir)
}}

// serveReverseProxy is the process:
//
//	benchrouter reverseproxy PLAIN SECURE APP DIR
func serveReverseProxy(ctx context.Context, args []string) error {
	to := &url.URL{Scheme: "http", Host: args[2]}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &bufferPool{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(args[3], certFile), filepath.Join(args[3], keyFile))
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	plain, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(plain) }()
	go func() { ended <- s.ServeTLS(secure, "", "") }()
	if err := errors.Join(<-ended, <-ended); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bufferPool is a httputil.BufferPool.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return *p.pool.Get().(*[]byte) }
func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }
