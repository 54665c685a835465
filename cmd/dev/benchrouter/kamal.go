package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	kamalModule  = "github.com/basecamp/kamal-proxy"
	kamalVersion = "v0.9.2"
)

// kamalProxy is the proxy of Kamal, the deployer that is closest to Teal. Its
// access log always goes to standard output. It is told of its apps one by one
// while it runs, so it is not asked to have 10,000.
func kamalProxy(program string) peer {
	return peer{name: "kamal-proxy", start: func(ctx context.Context, s site) (*process, error) {
		_, http, _ := net.SplitHostPort(s.plain)
		_, https, _ := net.SplitHostPort(s.secure)
		home := []string{"HOME=" + s.dir, "XDG_RUNTIME_DIR=" + s.dir}
		p, err := startProcessWith(ctx, s, home, program, "run", "--http-port", http, "--https-port", https)
		if err != nil {
			return nil, err
		}
		return p, errors.Join(
			kamalDeploy(ctx, home, program, "plain", "--target", s.app, "--host", hostName(0), "--tls-redirect=false", "--tls",
				"--forward-headers", "--tls-certificate-path", filepath.Join(s.dir, certFile), "--tls-private-key-path", filepath.Join(s.dir, keyFile)))
	}}
}

// kamalDeploy tells a kamal-proxy that has just been started of an app.
func kamalDeploy(ctx context.Context, env []string, program string, args ...string) error {
	var out []byte
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		cmd := exec.CommandContext(ctx, program, append([]string{"deploy"}, args...)...)
		cmd.Env = append(os.Environ(), env...)
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("kamal-proxy deploy: %w\n%s", err, out)
}

// buildKamalProxy builds it from its published module, in a module of its own,
// so that Teal's does not depend on it.
func buildKamalProxy(ctx context.Context, cache string) (string, error) {
	program := filepath.Join(cache, "kamal-proxy-"+kamalVersion)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	dir, err := os.MkdirTemp("", "teal-kamal-proxy-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	mod := fmt.Sprintf("module peer\n\ngo 1.26\n\nrequire %s %s\n", kamalModule, kamalVersion)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", program, kamalModule+"/cmd/kamal-proxy")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build kamal-proxy %s: %w\n%s", kamalVersion, err, out)
	}
	return program, nil
}
