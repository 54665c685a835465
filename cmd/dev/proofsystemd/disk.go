package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/client"
)

// packages are what the machine has beside Debian's essential ones.
const packages = "systemd,systemd-sysv,udev,dbus,docker.io,apparmor,git,openssh-client,ca-certificates,iproute2,iptables,kmod,procps"

// modules are loaded at its start: those that the Engine would load by itself
// where the kernel can be asked for them.
var modules = []string{
	"overlay", "veth", "bridge", "br_netfilter", "ip_tables", "iptable_nat", "iptable_filter", "nf_nat", "xt_MASQUERADE", "xt_addrtype", "xt_conntrack",
}

const diskSize = 6 << 30

// makeRoot makes the machine's files; Debian's packages are kept from run to run.
func makeRoot(ctx context.Context) (root string, err error) {
	if err := os.MkdirAll(place, 0o755); err != nil {
		return "", err
	}
	debian := filepath.Join(place, "debian.tar")
	if _, err := os.Stat(debian); err != nil {
		if err := bootstrap(ctx, debian); err != nil {
			return "", err
		}
	}
	root = filepath.Join(place, "root")
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	say("Unpacking Debian, Teal and its base images")
	for _, step := range []func() error{
		func() error { return command(ctx, "tar", "-C", root, "-xf", debian) },
		func() error { return kernelModules(ctx, root) },
		func() error { return teal(ctx, root) },
		func() error { return settings(root) },
		func() error { return baseImages(ctx, filepath.Join(root, "root", "images.tar")) },
	} {
		if err := step(); err != nil {
			return "", err
		}
	}
	return root, nil
}

// bootstrap gets Debian from the mirror that this machine itself uses.
func bootstrap(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return err
	}
	mirror := ""
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && (f[1] == "bookworm" || f[1] == "oldstable") && f[2] == "main" {
			mirror = f[0]
		}
	}
	if mirror == "" {
		return fmt.Errorf("this machine has no mirror of Debian bookworm")
	}
	say("Making a Debian with systemd and docker.io: two minutes, once")
	part := to + ".part"
	if err := command(ctx, "mmdebstrap", "--variant=apt", "--include="+packages, `--aptopt=Apt::Install-Recommends "false"`,
		"--format=tar", "bookworm", part, "deb "+mirror+" bookworm main"); err != nil {
		return err
	}
	return os.Rename(part, to)
}

// kernelModules copies those of the kernel that will run.
func kernelModules(ctx context.Context, root string) error {
	found, err := filepath.Glob("/usr/lib/uml/modules/*")
	if err != nil || len(found) == 0 {
		return fmt.Errorf("there are no modules of User-mode Linux: run go run ./cmd/dev setup proof-systemd (%v)", err)
	}
	to := filepath.Join(root, "lib", "modules")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, dir := range found {
		if err := command(ctx, "cp", "-r", dir, to); err != nil {
			return err
		}
		if err := command(ctx, "chroot", root, "depmod", filepath.Base(dir)); err != nil {
			return err
		}
	}
	return nil
}

// teal puts the binary, its units, the guest and an app where they belong.
func teal(ctx context.Context, root string) error {
	for path, pkg := range map[string]string{"usr/local/bin/teal": "./cmd/teal", "usr/local/bin/guest": "./cmd/dev/proofsystemd/guest"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(root, path), pkg)
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return err
		}
	}
	units := filepath.Join(root, "etc", "systemd", "system")
	for _, name := range []string{"teal.service", "teal.socket"} {
		if err := command(ctx, "cp", name, units); err != nil {
			return err
		}
	}
	return os.CopyFS(filepath.Join(root, "root", "shop"), os.DirFS(filepath.Join("examples", "hello-go")))
}

// settings are the few files that make it a machine.
func settings(root string) error {
	for path, text := range map[string]string{
		"etc/fstab":                        "/dev/ubda / ext4 rw 0 1\n",
		"etc/hostname":                     "proof\n",
		"etc/teal/teal.env":                "TEAL_BUILD_MEMORY=700\n", // all of the machine's takes long to be filled
		"etc/hosts":                        "127.0.0.1 localhost proof\n",
		"etc/modules-load.d/engine.conf":   strings.Join(modules, "\n") + "\n",
		"etc/systemd/system/guest.service": "[Unit]\nAfter=docker.service\n[Service]\nExecStart=/usr/local/bin/guest\nEnvironment=HOME=/root\n",
		"etc/gitconfig":                    "[user]\nname = Anna\nemail = anna@example.com\n[init]\ndefaultBranch = main\n[safe]\ndirectory = *\n",
		"root/.ssh/config":                 "Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{
		"etc/systemd/system/multi-user.target.wants/guest.service": "../guest.service",
		// The kernel of User-mode Linux has the older tables only.
		"etc/alternatives/iptables":  "/usr/sbin/iptables-legacy",
		"etc/alternatives/ip6tables": "/usr/sbin/ip6tables-legacy",
	} {
		link = filepath.Join(root, link)
		_ = os.Remove(link)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(to, link); err != nil {
			return err
		}
	}
	return nil
}

// baseImages saves what the builds of the proof stand on.
func baseImages(ctx context.Context, to string) error {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer engine.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	in, err := engine.ImageSave(ctx, []string{"teal/base:latest", "teal/go:latest"})
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func makeDisk(ctx context.Context, root, disk string) error {
	_ = os.Remove(disk)
	f, err := os.Create(disk)
	if err != nil {
		return err
	}
	if err := f.Truncate(diskSize); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := command(ctx, "mke2fs", "-q", "-t", "ext4", "-d", root, disk); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

func say(format string, args ...any) { fmt.Printf("▸ "+format+"\n", args...) }

func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
