package router

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// LogFile is a log that is rotated by size in this process: when what is to be
// written would make it longer than it may be, path becomes path.1, path.1
// becomes path.2, and so on; the oldest is removed. Renames lose nothing,
// whenever the process dies, and a file that somebody else renamed or removed
// is made anew. What is handed to Write has to be whole lines: on a full disk
// as many as fit are kept, never a part of one.
type LogFile struct {
	path     string
	maxBytes int64
	keep     int

	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenLogFile opens path for appending. maxBytes 0: it is never rotated. keep
// is how many rotated files are kept.
func OpenLogFile(path string, maxBytes int64, keep int) (*LogFile, error) {
	l := &LogFile{path: path, maxBytes: maxBytes, keep: keep}
	return l, l.open()
}

func (l *LogFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends whole lines. On an error n is how many bytes of them were kept.
func (l *LogFile) Write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, fs.ErrClosed
	}
	// When no other file can be had, the one that is open takes the lines.
	trouble := l.follow()
	n, err = l.file.Write(p)
	if err != nil {
		n = l.mend(p, n)
	}
	l.size += int64(n)
	return n, errors.Join(err, trouble)
}

// follow makes sure that the open file is the one at path, and is not too long.
func (l *LogFile) follow() error {
	there, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l.open()
	case err != nil:
		return err
	}
	if mine, err := l.file.Stat(); err != nil || !os.SameFile(there, mine) {
		return l.open()
	}
	if l.maxBytes <= 0 || l.size < l.maxBytes || !there.Mode().IsRegular() {
		return nil
	}
	if err := l.rotate(); err != nil {
		return fmt.Errorf("cannot rotate: %w", err)
	}
	return l.open()
}

func (l *LogFile) rotate() error {
	if l.keep <= 0 {
		return os.Remove(l.path)
	}
	for i := l.keep - 1; i > 0; i-- {
		if err := os.Rename(l.rotated(i), l.rotated(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(l.path, l.rotated(1))
}

func (l *LogFile) rotated(i int) string { return fmt.Sprintf("%s.%d", l.path, i) }

// mend takes back the part of a line that a failed write left, and returns how
// many bytes stay.
func (l *LogFile) mend(p []byte, wrote int) int {
	whole := bytes.LastIndexByte(p[:wrote], '\n') + 1
	if whole == wrote || l.file.Truncate(l.size+int64(whole)) == nil {
		return whole
	}
	return wrote
}

// Close closes the file; later writes fail.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
