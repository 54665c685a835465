package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// asideGroup is below the root of cgroup v1's cpu hierarchy. What the kernel
// compares when a process wakes up are the groups that lie side by side on the
// way down to it and to the one that runs. With the Engine's own group
// "docker/buildkit", which is idle, a router outside of "docker" is compared with
// "docker", which is not: builds took processor time from it as from an equal, and
// its 99th percentile grew by half. On cgroup v2 with systemd the groups of build
// steps are siblings of the scopes of containers and of services: no need.
const asideGroup = "teal-builds"

// aside is the group that build steps are moved to, "" where they are not.
func (g buildGroup) aside(controller string) string {
	dir := filepath.Join(g.root, controller, asideGroup)
	switch {
	case g.unified:
		return ""
	case controller == "cpu":
		return dir
	case controller == "cpuacct": // it is there when the two controllers are mounted together
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return ""
}

// setAside moves the processes of build steps. What they begin from then on is
// where they are, so each step has to be seen once only.
func (g buildGroup) setAside() error {
	apart := g.aside("cpu")
	if apart == "" {
		return nil
	}
	groups, err := filepath.Glob(filepath.Join(g.root, "cpu", "docker", "buildkit", "*", "cgroup.procs"))
	for _, path := range groups {
		err = errors.Join(err, moveProcesses(path, filepath.Join(apart, "cgroup.procs")))
	}
	return err
}

// moveProcesses writes each process of one group into the other; those that
// ended meanwhile are none.
func moveProcesses(from, to string) error {
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil // the step ended
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, pid := range strings.Fields(string(text)) {
		if pid == "0" {
			return fmt.Errorf("%s has processes of another pid namespace", from)
		}
		if err := os.WriteFile(to, []byte(pid), 0); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
