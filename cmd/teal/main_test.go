package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// What all end-to-end tests share: programs that are built once, and the Engine.
var (
	tealBin  string // the daemon under test, with the race detector when the tests have it
	victBin  string // the app that is deployed
	hostKeys string // a directory with SSH host keys: an RSA key takes seconds to make
	engine   *client.Client
	// plainBin is the daemon without race detector, as users have it.
	plainBin = sync.OnceValues(func() (string, error) {
		if !raceEnabled {
			return tealBin, nil
		}
		path := filepath.Join(filepath.Dir(tealBin), "teal-plain")
		return path, goBuild(path, ".")
	})
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A deployment is mostly waiting: for the Engine, for a probe, for a drain.
	_ = flag.Set("test.parallel", "4")
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the end-to-end tests need a container engine, git, ssh and the go command:", err)
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "teal-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if engine, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		return 1, err
	}
	defer engine.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := engine.Ping(ctx); err != nil {
		return 1, err
	}
	if err := cleanStale(); err != nil {
		return 1, fmt.Errorf("cannot clean up after an earlier run: %w", err)
	}
	tealBin, victBin, hostKeys = filepath.Join(dir, "teal"), filepath.Join(dir, "vict"), filepath.Join(dir, "keys")
	if err := goBuild(victBin, "./testdata/vict", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"); err != nil {
		return 1, err
	}
	var race []string
	if raceEnabled {
		race = []string{"-race"}
	}
	if err := goBuild(tealBin, ".", race...); err != nil {
		return 1, err
	}
	if err := makeHostKeys(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// goBuild builds a command of this module. The race detector needs cgo; all else is static.
func goBuild(path, pkg string, flags ...string) error {
	args := append(append([]string{"build", "-o", path}, flags...), pkg)
	cmd := exec.Command("go", args...)
	cmd.Env = os.Environ()
	if pkg != "." {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

func makeHostKeys() error {
	if err := os.Mkdir(hostKeys, 0o700); err != nil {
		return err
	}
	for _, kind := range []string{"ed25519", "rsa"} {
		path := filepath.Join(hostKeys, "ssh_host_"+kind+"_key")
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path).CombinedOutput(); err != nil {
			return fmt.Errorf("ssh-keygen: %w\n%s", err, out)
		}
		if err := os.Remove(path + ".pub"); err != nil {
			return err
		}
	}
	return nil
}
