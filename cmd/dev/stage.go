package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stage is what the demo plays on: a daemon with its own data directory, a work
// tree, a key, a mail server. It lies in .teal/demo.
type stage struct {
	dir, work, key, daemonLog    string
	http, preview, console, sshd string // addresses
	host                         string // of the app
	client                       *http.Client
	daemon                       *exec.Cmd
	ended                        chan error
	sink                         *mailSink
}

// newStage starts everything. A stage that an earlier demo left (because it was
// killed) is taken over: its app is destroyed first.
func newStage(ctx context.Context) (*stage, error) {
	dir, err := filepath.Abs(filepath.Join(".teal", "demo"))
	if err != nil {
		return nil, err
	}
	d := &stage{
		dir: dir, work: filepath.Join(dir, "shop"), key: filepath.Join(dir, "id_ed25519"), daemonLog: filepath.Join(dir, "teal.log"),
		host: "shop.localhost", client: &http.Client{Timeout: 10 * time.Second}, ended: make(chan error, 1),
	}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *stage) start(ctx context.Context) (err error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	say("Starting teal serve with data in %s", d.dir)
	for _, a := range []struct {
		at    *string
		usual int
	}{{&d.http, 8000}, {&d.preview, 8888}, {&d.console, 3000}, {&d.sshd, 2222}} {
		if *a.at, err = freeAddress(a.usual); err != nil {
			return err
		}
	}
	if d.sink, err = startMailSink(); err != nil {
		return err
	}
	if err := d.makeKey(ctx); err != nil {
		return err
	}
	if err := d.startDaemon(); err != nil {
		return err
	}
	if err := d.waitReady(ctx); err != nil {
		return err
	}
	if out, err := d.ssh(ctx, "destroy", "shop", "shop"); err == nil {
		fmt.Println(indent(out, "  "))
	}
	return d.makeWorkTree(ctx)
}

func (d *stage) makeKey(ctx context.Context) error {
	if _, err := os.Stat(d.key); err == nil {
		return nil
	}
	return command(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", d.key)
}

// startDaemon adds the demo's user and starts the binary that users run.
func (d *stage) startDaemon() error {
	data := filepath.Join(d.dir, "data")
	add := exec.Command("bin/teal", "user", "add", "anna", "--admin", "--email", "anna@example.org", "--key", d.key+".pub", "--data", data)
	if out, err := add.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("exists already")) {
		return fmt.Errorf("teal user add: %w\n%s", err, out)
	}
	log, err := os.Create(d.daemonLog)
	if err != nil {
		return err
	}
	defer log.Close()
	_, mailPort, err := net.SplitHostPort(d.sink.addr)
	if err != nil {
		return err
	}
	d.daemon = exec.Command("bin/teal", "serve", "--data", data, "--http", d.http, "--preview", d.preview,
		"--console", d.console, "--ssh", d.sshd, "--mail-host", "127.0.0.1", "--mail-port", mailPort, "--mail-tls", "none",
		"--mail-from", "Teal <teal@example.org>")
	d.daemon.Stdout, d.daemon.Stderr = log, log
	// Ctrl-C is for this process; the daemon is stopped when the demo closes.
	d.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.daemon.Start(); err != nil {
		return err
	}
	go func() { d.ended <- d.daemon.Wait() }()
	return nil
}

func (d *stage) waitReady(ctx context.Context) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, err := d.ssh(ctx, "whoami"); err == nil {
			return nil
		}
		select {
		case err := <-d.ended:
			d.ended <- err
			log, _ := os.ReadFile(d.daemonLog)
			return fmt.Errorf("teal serve ended: %w\n%s", err, lastLines(string(log), 10))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("teal serve did not answer within 30 s; its log is in %s", d.daemonLog)
		}
	}
}

func (d *stage) makeWorkTree(ctx context.Context) error {
	if err := os.RemoveAll(d.work); err != nil {
		return err
	}
	if err := os.MkdirAll(d.work, 0o755); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(d.sshd)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"config", "user.name", "Anna"},
		{"config", "user.email", "anna@example.org"},
		{"config", "core.sshCommand", strings.Join(d.sshArgs()[:len(d.sshArgs())-3], " ")},
		{"remote", "add", "teal", "ssh://git@localhost:" + port + "/shop"},
	} {
		if _, err := d.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// sshArgs is the command line that reaches the daemon with the demo's key.
func (d *stage) sshArgs() []string {
	_, port, _ := net.SplitHostPort(d.sshd)
	return []string{
		"ssh", "-i", d.key, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + filepath.Join(d.dir, "known_hosts"),
		"-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR", "-p", port, "localhost",
	}
}

// ssh runs one of Teal's commands.
func (d *stage) ssh(ctx context.Context, words ...string) (string, error) {
	argv := append(d.sshArgs(), words...)
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("ssh … %s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

func (d *stage) gitCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = d.work
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null")
	return cmd
}

func (d *stage) git(ctx context.Context, args ...string) (string, error) {
	out, err := d.gitCommand(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// mail waits for a mail and gives its head and plain part.
func (d *stage) mail(ctx context.Context) (string, error) {
	select {
	case m := <-d.sink.mails:
		return m, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(20 * time.Second):
		return "", errors.New("no mail came within 20 s")
	}
}

func (d *stage) httpHost() string {
	_, port, _ := net.SplitHostPort(d.http)
	return d.host + ":" + port
}

// close takes the demo's containers away and ends the daemon.
func (d *stage) close() error {
	var errs []error
	if d.daemon != nil && d.daemon.Process != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := d.ssh(ctx, "destroy", "shop", "shop"); err != nil && !strings.Contains(err.Error(), "not found") {
			errs = append(errs, err)
		}
		errs = append(errs, d.stopDaemon())
	}
	if d.sink != nil {
		errs = append(errs, d.sink.close())
	}
	return errors.Join(errs...)
}

func (d *stage) stopDaemon() error {
	if err := d.daemon.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-d.ended:
		return err
	case <-time.After(30 * time.Second):
		_ = d.daemon.Process.Kill()
		return errors.New("teal serve did not end within 30 s of SIGTERM")
	}
}

// freeAddress gives the usual port on loopback, or any free one.
func freeAddress(usual int) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", usual))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	return addr, l.Close()
}
