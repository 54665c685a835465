package builder

import (
	"errors"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Of ioprio_set(2), which x/sys has no name for.
const (
	ioprioProcess = 1       // IOPRIO_WHO_PROCESS
	ioprioIdle    = 3 << 13 // IOPRIO_CLASS_IDLE
)

// runNicely runs a command of the host, outside the control group of builds, with
// the lowest niceness and disk time that nobody else wants. What it starts
// inherits both: they are set before it, on the thread that starts it.
func runNicely(cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, which may not go back, ends with the goroutine
		nice := unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
		_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, ioprioProcess, 0, ioprioIdle)
		if errno == unix.ENOSYS || errno == unix.EPERM {
			errno = 0 // a kernel or a container without it
		}
		if errno != 0 {
			nice = errors.Join(nice, errno)
		}
		if nice != nil {
			ended <- nice
			return
		}
		ended <- cmd.Run()
	}()
	return <-ended
}
