// Command guest runs inside of the machine that proofsystemd boots: it does what
// the README's "Install it" says, pushes apps, and says on the console which
// claims hold. Then it turns the machine off.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var console *os.File

func main() {
	var err error
	if console, err = os.OpenFile("/dev/console", os.O_WRONLY, 0); err != nil {
		console = os.Stdout
	}
	ctx, cancel := context.WithTimeout(context.Background(), 35*time.Minute)
	if err := prove(ctx); err != nil {
		say("FAILS and ends: %v", err)
		say("its log:\n%s", run(ctx, "journalctl", "-u", "teal", "-n", "40", "--no-pager").out)
	}
	cancel()
	say("end")
	syscall.Sync()
	_ = exec.Command("systemctl", "poweroff", "-f").Run()
}

// say writes lines that proofsystemd looks for among the kernel's and systemd's.
func say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintf(console, "proof: %s\n", strings.TrimRight(line, "\n"))
	}
}

// claim says whether it holds, and if not what was seen instead.
func claim(ok bool, what, seen string) {
	if ok {
		say("holds %s", what)
		return
	}
	say("FAILS %s", what)
	say("  seen: %s", strings.TrimSpace(seen))
}

func prove(ctx context.Context) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/sys/fs/cgroup", &fs); err != nil {
		return err
	}
	claim(fs.Type == 0x63677270, "this machine has cgroup v2", fmt.Sprintf("file system %x", fs.Type))
	info := run(ctx, "docker", "info", "--format", "{{.ServerVersion}} {{.CgroupDriver}} {{.CgroupVersion}}")
	claim(strings.HasSuffix(strings.TrimSpace(info.out), " systemd 2"), "its Engine leaves control groups to systemd", info.out)
	say("Engine %s", strings.TrimSpace(info.out))
	if r := run(ctx, "docker", "load", "-q", "-i", "/root/images.tar"); r.code != 0 {
		return fmt.Errorf("load the base images: %s", r.out)
	}
	if err := install(ctx); err != nil {
		return err
	}
	if err := push(ctx); err != nil {
		return err
	}
	if err := hungryBuild(ctx); err != nil {
		return err
	}
	if err := greedyBuild(ctx); err != nil {
		return err
	}
	restart(ctx)
	back := run(ctx, "ssh", "-p", "2222", "localhost", "restart-previous", "shop")
	claim(back.code == 0, "restart-previous goes back", back.out)
	log := run(ctx, "journalctl", "-u", "teal", "--no-pager").out
	claim(!strings.Contains(log, "not held back"), "Teal never said that builds are not held back", log)
	left := run(ctx, "docker", "ps", "-a", "--format", "{{.Names}}").out
	claim(!strings.Contains(left, "-hold-"), "no container that held builds is left", left)
	return nil
}

// install is what the README says.
func install(ctx context.Context) error {
	for _, c := range [][]string{
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"},
		{"systemctl", "daemon-reload"},
		{"systemctl", "enable", "--now", "teal.socket", "teal.service"},
	} {
		if r := run(ctx, c[0], c[1:]...); r.code != 0 {
			return fmt.Errorf("%s: %s", strings.Join(c, " "), r.out)
		}
	}
	key, err := os.ReadFile("/root/.ssh/id_ed25519.pub")
	if err != nil {
		return err
	}
	add := exec.CommandContext(ctx, "teal", "user", "add", "root", "--admin", "--email", "root@localhost")
	add.Stdin = strings.NewReader(string(key))
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("teal user add: %w: %s", err, out)
	}
	pid := strings.TrimSpace(run(ctx, "systemctl", "show", "-P", "MainPID", "teal").out)
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	claim(err == nil && !strings.Contains(string(status), "Uid:\t0\t"), "the unit runs as a user of its own", string(status))
	return nil
}

// result is how a command ended.
type result struct {
	out  string
	code int
}

func run(ctx context.Context, name string, args ...string) result {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return result{err.Error(), -1}
	}
	return result{string(out), cmd.ProcessState.ExitCode()}
}
