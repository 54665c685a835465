package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginx runs with two workers, its usual access log, kept connections to the app,
// and memory enough not to put the uploads into files.
var nginx = peer{name: "nginx", manyHosts: true, start: func(ctx context.Context, s site) (*process, error) {
	file := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(nginxConfig(s)), 0o600); err != nil {
		return nil, err
	}
	return startProcess(ctx, s, "nginx", "-p", s.dir, "-c", file, "-e", filepath.Join(s.dir, "error.log"))
}}

func nginxConfig(s site) string {
	var c strings.Builder
	if os.Geteuid() == 0 {
		c.WriteString("user root;\n")
	}
	fmt.Fprintf(&c, `daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 8000; }
http {
    access_log %[1]s/access.log combined;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    keepalive_timeout 90s;
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    http2_max_concurrent_streams 250;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    ssl_certificate %[1]s/%[2]s;
    ssl_certificate_key %[1]s/%[3]s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Request-Id $request_id;
`, s.dir, certFile, keyFile)
	for n := range s.hosts {
		kept := 64
		if s.hosts > 1 {
			kept = 4
		}
		fmt.Fprintf(&c, `
    upstream app%[1]d { server %[2]s; keepalive %[3]d; keepalive_requests 100000000; }
    server {
        listen %[4]s;
        listen %[5]s ssl http2;
        server_name %[6]s;
        location / { proxy_pass http://app%[1]d; }
    }
`, n, s.app, kept, s.plain, s.secure, hostName(n))
	}
	c.WriteString("}\n")
	return c.String()
}
