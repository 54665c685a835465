package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

// tool is a program that something needs, and the Debian package that has it.
type tool struct{ program, pkg string }

// needs are the tools of each purpose. The packages' own dependencies come along.
var needs = map[string][]tool{
	"demo": {
		{"git", "git"},
		{"ssh", "openssh-client"},
		{"ssh-keygen", "openssh-client"},
		{"dockerd", "docker.io"},
		{"iptables", "iptables"},
		{"/etc/ssl/certs/ca-certificates.crt", "ca-certificates"},
	},
	"test": {
		{"chromium", "chromium"},
		{"/usr/sbin/smtp-sink", "postfix"},
		{"mmdebstrap", "mmdebstrap"},
		{"strace", "strace"},
		{"rpmbuild", "rpm"},
		{"db5.3_load", "db5.3-util"},
		{"hey", "hey"},
		{"wrk", "wrk"},
		{"slowhttptest", "slowhttptest"},
		{"unshare", "util-linux"},
		{"ip", "iproute2"},
		{"gcc", "gcc"},
		{"/usr/include/stdlib.h", "libc6-dev"}, // the race detector needs cgo
		{"ssh-audit", "ssh-audit"},
		{"dbclient", "dropbear-bin"},
		{"plink", "putty-tools"},
		{"/usr/lib/python3/dist-packages/dulwich/__init__.py", "python3-dulwich"},
		{"/usr/lib/python3/dist-packages/pygit2/__init__.py", "python3-pygit2"},
		{"/usr/lib/python3/dist-packages/paramiko/__init__.py", "python3-paramiko"},
	},
	"bench": {},
	"bench-router": {
		{"haproxy", "haproxy"},
		{"nginx", "nginx-light"},
		{"wrk", "wrk"},
		{"h2load", "nghttp2-client"},
	},
	"proof-router": {{"slowhttptest", "slowhttptest"}},
	"bench-git":    {{"/usr/sbin/sshd", "openssh-server"}},
	"proof-systemd": {
		{"linux.uml", "user-mode-linux"},
		{"mmdebstrap", "mmdebstrap"},
		{"mke2fs", "e2fsprogs"},
		{"depmod", "kmod"},
	},
	"image": {{"mmdebstrap", "mmdebstrap"}},
}

// setup installs what the purpose needs and is not there, starts a container
// engine when none answers, builds teal and makes its base images. It says what
// it does before it does it, and doing it twice does nothing twice.
func setup(ctx context.Context, purpose string) error {
	tools, ok := needs[purpose]
	if !ok {
		return errUsage
	}
	if strings.HasSuffix(purpose, "-router") { // needs no app, and so no engine
		return installIdle(ctx, missing(tools))
	}
	if purpose != "demo" {
		tools = append(slices.Clone(needs["demo"]), tools...)
	}
	if err := install(ctx, missing(tools)); err != nil {
		return err
	}
	if err := startEngine(ctx); err != nil {
		return err
	}
	say("Building bin/teal")
	if err := command(ctx, "go", "build", "-o", "bin/teal", "./cmd/teal"); err != nil {
		return err
	}
	say("Making the base images that are not there yet")
	stack := []string{"bin/teal", "stack", "build", "--data", filepath.Join(".teal", "setup"), "teal/go", "teal/static"}
	if purpose == "proof-systemd" {
		stack = append(stack, "teal/base")
	}
	if purpose == "test" {
		stack = append(stack, "teal/base", "teal/java", "teal/java:build", "teal/node", "teal/node:build", "teal/php", "teal/python", "teal/python:build", "teal/ruby", "teal/ruby:build", "teal/rust:build")
	}
	if err := command(ctx, stack...); err != nil {
		return err
	}
	if purpose == "test" { // here, where it may take its time, and not within a test
		return serverBase(ctx)
	}
	return nil
}

// serverBase has the base of the server's own image ready.
func serverBase(ctx context.Context) error {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer engine.Close()
	_, err = runBase(ctx, engine)
	return err
}

func missing(tools []tool) []string {
	pkgs := map[string]bool{}
	for _, t := range tools {
		if strings.HasPrefix(t.program, "/") {
			if _, err := os.Stat(t.program); err == nil {
				continue
			}
		} else if _, err := exec.LookPath(t.program); err == nil {
			continue
		}
		if t.program == "dockerd" && engineAnswers(context.Background()) {
			continue // an engine of another make, or on another host, serves as well
		}
		pkgs[t.pkg] = true
	}
	return slices.Sorted(maps.Keys(pkgs))
}

// install installs Debian packages.
func install(ctx context.Context, pkgs []string) error {
	if len(pkgs) == 0 {
		return nil
	}
	say("Installing Debian packages: %s", strings.Join(pkgs, " "))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine has no apt-get; install these yourself and run the command again: %s", strings.Join(pkgs, " "))
	}
	apt := []string{"apt-get"}
	if os.Geteuid() != 0 {
		apt = []string{"sudo", "apt-get"}
	}
	steps := [][]string{
		append(slices.Clone(apt), "update", "-qq"),
		append(append(slices.Clone(apt), "install", "-y", "-qq", "--no-install-recommends"), pkgs...),
	}
	for _, argv := range steps {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, lastLines(string(out), 20))
		}
	}
	return nil
}

// installIdle installs packages whose programs are wanted, and not the servers
// on well-known ports that Debian makes of some of them.
func installIdle(ctx context.Context, pkgs []string) error {
	if err := install(ctx, pkgs); err != nil {
		return err
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil
	}
	for pkg, unit := range map[string]string{"haproxy": "haproxy", "nginx-light": "nginx"} {
		if !slices.Contains(pkgs, pkg) {
			continue
		}
		if err := command(ctx, "systemctl", "disable", "--now", unit); err != nil {
			return err
		}
	}
	return nil
}

// startEngine starts the Docker Engine when none answers.
func startEngine(ctx context.Context) error {
	if engineAnswers(ctx) {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("no container engine answers, and only root can start one: sudo systemctl start docker, or run this as root")
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		say("Starting the Docker Engine: systemctl start docker")
		if err := command(ctx, "systemctl", "start", "docker"); err != nil {
			return err
		}
	} else if err := startDockerd(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if engineAnswers(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	return errors.New("the Docker Engine did not answer within a minute; look at /var/log/dockerd.log")
}

// startDockerd starts the Engine as a process of its own that outlives this one,
// for machines without an init system (containers, CI).
func startDockerd() error {
	const logFile = "/var/log/dockerd.log"
	say("Starting the Docker Engine: dockerd, log in %s", logFile)
	forgetKilledEngine()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("dockerd")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start dockerd: %w", err)
	}
	return cmd.Process.Release()
}

// forgetKilledEngine removes the pid files of an Engine that was killed: a new
// one takes them for running processes and waits for those in vain.
func forgetKilledEngine() {
	for file, program := range map[string]string{
		"/var/run/docker.pid":                       "dockerd",
		"/var/run/docker/containerd/containerd.pid": "containerd",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		exe, err := os.Readlink("/proc/" + strings.TrimSpace(string(b)) + "/exe")
		if err != nil || filepath.Base(exe) != program {
			_ = os.Remove(file)
		}
	}
}

func engineAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = c.Ping(ctx)
	return err == nil
}

// command runs a program with its output on ours.
func command(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("\n\033[1;36m▸ "+format+"\033[0m\n", args...)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
