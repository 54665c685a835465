package runtime

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/system"
)

// Doctor looks at the Engine and gives a line for each thing that an operator
// should know or change; none when all is well.
func (d *Docker) Doctor(ctx context.Context) ([]string, error) {
	var info system.Info
	err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
		info, err = d.engine.Info(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot ask the container engine how it is set up: %w", err)
	}
	warnings := examine(info)
	if host := d.engine.DaemonHost(); !strings.HasPrefix(host, "unix://") {
		warnings = append(warnings, fmt.Sprintf("the Engine is reached at %s: Teal has to run on the Engine's own host, because it sends requests to the containers' addresses", host))
	}
	return warnings, nil
}

// examine judges what an Engine says of itself.
func examine(info system.Info) []string {
	var w []string
	tell := func(bad bool, format string, args ...any) {
		if bad {
			w = append(w, fmt.Sprintf(format, args...))
		}
	}
	tell(!info.LiveRestoreEnabled, "live-restore is off: apps stop whenever the Engine is restarted or updated: set \"live-restore\": true in /etc/docker/daemon.json (not possible in swarm mode)")
	tell(older(info.ServerVersion, 20, 10), "Engine %s is older than any that Teal was tried with: use 20.10 or newer", info.ServerVersion)
	tell(!info.MemoryLimit, "the kernel does not limit memory: one app can take all of it (cgroup memory controller)")
	tell(info.MemoryLimit && !info.SwapLimit && info.CgroupVersion == "1", "the kernel does not limit swap: an app at its memory limit fills the swap space (boot with swapaccount=1)")
	tell(!info.PidsLimit, "the kernel does not limit processes: a fork bomb in one app stops the host (cgroup pids controller)")
	tell(!info.CPUCfsQuota, "the kernel does not limit CPU time: cpus in teal.toml has no effect (CONFIG_CFS_BANDWIDTH)")
	tell(!has(info.SecurityOptions, "name=seccomp"), "seccomp is off: apps may use every system call")
	tell(has(info.SecurityOptions, "name=rootless"), "the Engine is rootless: the containers' addresses can't be reached from this host, so Teal can't route to apps")
	return w
}

func has(options []string, want string) bool {
	for _, o := range options {
		if o == want || strings.HasPrefix(o, want+",") {
			return true
		}
	}
	return false
}

// older compares the first two numbers; a version that has none is not judged.
func older(version string, major, minor int) bool {
	a, rest, _ := strings.Cut(version, ".")
	b, _, _ := strings.Cut(rest, ".")
	x, err := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	return err == nil && err2 == nil && (x < major || x == major && y < minor)
}
