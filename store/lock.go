package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lock takes the directory for this process until the file is closed or the
// process dies, however it dies. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func lock(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "teal.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock: %w", err)
	}
	if err := take(file); err != nil {
		defer file.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, held(dir, file)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write the lock: %w", err), file.Close())
	}
	return file, nil
}

func take(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func held(dir string, file *os.File) error {
	b, _ := io.ReadAll(io.LimitReader(file, 20)) //nolint:errcheck // the holder may be about to write it
	who, next := "another teal", "stop it first"
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
		who = fmt.Sprintf("another teal (pid %d)", pid)
		next = fmt.Sprintf("stop it first (systemctl stop teal, or kill %d)", pid)
	}
	return fmt.Errorf("%w: %s runs on %s: %s, or give this one a directory of its own", ErrLocked, who, dir, next)
}
