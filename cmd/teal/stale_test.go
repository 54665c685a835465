package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ledger is where each test process writes down the installations that it makes.
// A process that was killed can't clean up: the next one does it.
var ledger = filepath.Join(os.TempDir(), "teal-e2e-ledger")

// enter writes an installation down. The function takes it off again.
func enter(namespace, data string) (leave func() error, err error) {
	if err := os.MkdirAll(ledger, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(ledger, namespace)
	return func() error { return os.Remove(path) }, os.WriteFile(path, fmt.Appendf(nil, "%d %s", os.Getpid(), data), 0o600)
}

// cleanStale takes away what test processes that are dead have left: daemons,
// and whatever the Engine has of them.
func cleanStale() error {
	entries, err := os.ReadDir(ledger)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var errs []error
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(ledger, e.Name()))
		if err != nil {
			continue // its owner is just taking it off
		}
		pid, data, _ := strings.Cut(string(text), " ")
		n, err := strconv.Atoi(pid)
		if err != nil || data == "" || syscall.Kill(n, 0) == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		errs = append(errs, killDaemons(data), sweep(ctx, e.Name()), os.Remove(filepath.Join(ledger, e.Name())))
		cancel()
	}
	return errors.Join(errs...)
}

// killDaemons kills the daemons that serve the data directory.
func killDaemons(data string) error {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "\x00serve\x00--data\x00"+data+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
