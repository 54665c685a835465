// Command proofsystemd runs Teal as most people will: by its systemd unit, as a
// user of its own, on Debian with cgroup v2 and Debian's own Engine. The machine
// that it needs is made and booted by it: a disk with Debian's packages, under
// User-mode Linux, which is a kernel that is a process and needs no virtualization.
//
//	go run ./cmd/dev setup proof-systemd
//	go run ./cmd/dev/proofsystemd
//
// It prints the machine's console, and exits with 1 unless every claim holds. The
// machine has no network; its base images are those of the Engine here.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	kernel = "linux.uml"
	place  = ".teal/systemd" // what is kept from run to run
	memory = "mem=2500M"
)

func main() {
	timeout := flag.Duration("timeout", 40*time.Minute, "how long the machine may run")
	verbose := flag.Bool("v", false, "print everything that the machine's console says")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := prove(ctx, *timeout, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "proof-systemd:", err)
		os.Exit(1)
	}
}

func prove(ctx context.Context, timeout time.Duration, verbose bool) error {
	root, err := makeRoot(ctx)
	if err != nil {
		return fmt.Errorf("make the machine's files: %w", err)
	}
	disk := filepath.Join(place, "disk.img")
	if err := makeDisk(ctx, root, disk); err != nil {
		return fmt.Errorf("make the machine's disk: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return boot(ctx, disk, verbose)
}

// boot runs the machine to its end and reads what the guest says on its console.
func boot(ctx context.Context, disk string, verbose bool) error {
	shared, err := os.MkdirTemp("/dev/shm", "teal-proof-") // the kernel keeps its memory in a file, and runs from it
	if err != nil {
		return err
	}
	defer os.RemoveAll(shared)
	uml := exec.CommandContext(ctx, kernel, memory, "ubd0="+disk, "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1", "systemd.unified_cgroup_hierarchy=1")
	uml.Env = append(os.Environ(), "TMPDIR="+shared)
	uml.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	uml.Cancel = func() error { return syscall.Kill(-uml.Process.Pid, syscall.SIGKILL) } // it has children
	uml.WaitDelay = 10 * time.Second
	console, err := uml.StdoutPipe()
	if err != nil {
		return err
	}
	uml.Stderr = uml.Stdout
	if err := uml.Start(); err != nil {
		return err
	}
	held, failed, read := listen(console, verbose)
	ended := uml.Wait()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the machine was stopped: %w", context.Cause(ctx))
	case read != nil:
		return read
	case failed > 0:
		return fmt.Errorf("%d of %d claims do not hold", failed, held+failed)
	case held == 0:
		return errors.Join(errors.New("the machine ended before its proof did; -v shows its console"), ended)
	}
	fmt.Printf("%d claims hold\n", held)
	return nil
}

// listen prints the guest's lines. A proof that did not come to its end holds nothing.
func listen(console io.Reader, verbose bool) (held, failed int, err error) {
	done := false
	lines := bufio.NewScanner(console)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		_, said, ours := strings.Cut(line, "proof: ")
		switch {
		case !ours && verbose:
			fmt.Println(line)
		case !ours:
		default:
			fmt.Println(said)
		}
		if !ours {
			continue
		}
		switch {
		case strings.HasPrefix(said, "holds "):
			held++
		case strings.HasPrefix(said, "FAILS "):
			failed++
		case said == "end":
			done = true
		}
	}
	if !done && failed == 0 {
		held = 0
	}
	return held, failed, lines.Err()
}
