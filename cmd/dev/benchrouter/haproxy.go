package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// haproxy runs with two threads, an access log in its usual HTTP format, and
// connections to the app that any client may use again. The log goes straight
// into a file, which is the cheapest way that HAProxy has.
var haproxy = peer{name: "HAProxy", manyHosts: true, start: func(ctx context.Context, s site) (*process, error) {
	if err := writeHAProxyMap(s); err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(haproxyConfig(s)), 0o600); err != nil {
		return nil, err
	}
	return startProcess(ctx, s, "haproxy", "-db", "-q", "-f", file)
}}

func haproxyConfig(s site) string {
	var c strings.Builder
	fmt.Fprintf(&c, `global
    nbthread 2
    maxconn 8000
    log stdout format raw local0 info

defaults
    mode http
    log global
    option httplog
    option forwardfor
    http-reuse always
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 90s

frontend production
    bind %s
    bind %s ssl crt %s alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto %%[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %%[req.hdr(host)]
    unique-id-format %%[uuid]
    unique-id-header X-Request-Id
    use_backend %%[req.hdr(host),field(1,:),lower,map(%s)]
`, s.plain, s.secure, filepath.Join(s.dir, bothFile), filepath.Join(s.dir, "hosts.map"))
	for n := range s.hosts {
		fmt.Fprintf(&c, "\nbackend app%d\n    server one %s\n", n, s.app)
	}
	return c.String()
}

func writeHAProxyMap(s site) error {
	var m strings.Builder
	for n := range s.hosts {
		fmt.Fprintf(&m, "%s app%d\n", hostName(n), n)
	}
	return os.WriteFile(filepath.Join(s.dir, "hosts.map"), []byte(m.String()), 0o600)
}
