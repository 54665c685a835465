package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// linesOf reads a log and its rotated files, oldest first.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	var all []string
	for i := 99; i >= 0; i-- {
		name := path
		if i > 0 {
			name = fmt.Sprintf("%s.%d", path, i)
		}
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")...)
	}
	return all
}

func TestLogIsRotatedBySizeAndLosesNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := OpenLogFile(path, 1000, 90)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 250 {
				if _, err := fmt.Fprintf(l, "writer %d line %03d ......................\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, line := range linesOf(t, path) {
		if len(line) != 40 || seen[line] {
			t.Fatalf("line %q", line)
		}
		seen[line] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d lines, want 1000", len(seen))
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() < 1000 || info.Size() > 1041 {
		t.Errorf("a rotated file: %v %v", info, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
}

func TestNoMoreRotatedFilesAreKeptThanAsked(t *testing.T) {
	for keep := range 3 {
		dir := t.TempDir()
		l, err := OpenLogFile(filepath.Join(dir, "a"), 10, keep)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			fmt.Fprintf(l, "line number %d\n", i)
		}
		l.Close()
		if files, _ := os.ReadDir(dir); len(files) != keep+1 {
			t.Errorf("keep %d: %v", keep, files)
		}
		if got := linesOf(t, filepath.Join(dir, "a")); got[len(got)-1] != "line number 19" {
			t.Errorf("keep %d: last line %q", keep, got[len(got)-1])
		}
	}
}

func TestLogGoesOnInItsFileAfterARestartAndAfterSomebodyMovesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for range 2 {
		l, err := OpenLogFile(path, 1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(l, "before")
		defer l.Close()
	}
	l, err := OpenLogFile(path, 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(l, "after")
	if got := linesOf(t, path); len(got) != 1 || got[0] != "after" {
		t.Errorf("the new file has %q", got)
	}
	if got := linesOf(t, path+".moved"); len(got) != 2 {
		t.Errorf("the moved file has %q", got)
	}
}

// TestFullDiskLeavesWholeLines runs in a process of its own whose files may not
// grow: the kernel then writes a part, and refuses the rest.
func TestFullDiskLeavesWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROUTER_TEST_LOG="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("123456789\n", 9); string(b) != want {
		t.Errorf("the log is %q", b)
	}
}

// fillDisk writes 20 lines of 10 bytes into a file that may have 95.
func fillDisk(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 95, Max: 95}); err != nil {
		panic(err)
	}
	l, err := OpenLogFile(path, 0, 0)
	if err != nil {
		panic(err)
	}
	n, err := l.Write(bytes.Repeat([]byte("123456789\n"), 20))
	if n != 90 || err == nil {
		panic(fmt.Sprint("kept ", n, " ", err))
	}
	if n, err := l.Write([]byte("123456789\n")); n != 0 || err == nil {
		panic(fmt.Sprint("kept ", n, " ", err))
	}
	os.Exit(0)
}

func TestRequestsGoOnWhenTheLogCannotBeWritten(t *testing.T) {
	full, err := OpenLogFile("/dev/full", 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r := startRouter(t, Config{AccessLog: full})
	r.pointShop(saying(t, 1))
	client := r.client()
	for range 20 {
		if status, _ := get(t, client, "http://shop.test/"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	eventually(t, "the lost lines are counted", func() bool {
		return value(metric(scrape(t, r.Router), "teal_access_log_dropped_lines_total", "")) == 20
	})
}

// stuckWriter does not come back until told.
type stuckWriter struct{ free chan struct{} }

func (s stuckWriter) Write(p []byte) (int, error) { <-s.free; return len(p), nil }

func TestNoRequestWaitsForTheLog(t *testing.T) {
	w := stuckWriter{make(chan struct{})}
	r := startRouter(t, Config{AccessLog: w})
	defer close(w.free)
	line := accessLine{host: "shop.test", target: "/", status: 200}
	for range 3 * ringSize {
		r.logAccess(&line)
	}
	if n := r.dropped.Load(); n < ringSize {
		t.Errorf("%d lines were dropped, want at least %d", n, ringSize)
	}
}

func TestEveryLineOfABusyLogIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := OpenLogFile(path, 50_000, 90)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := startRouter(t, Config{AccessLog: l})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				line := accessLine{host: "shop.test", target: "/" + strings.Repeat("x", i%300), status: 200, id: fmt.Sprint(w, "-", i)}
				r.logAccess(&line)
			}
		})
	}
	wg.Wait()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, text := range linesOf(t, path) {
		var m struct {
			ID   string `json:"request_id"`
			Time string
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil || ids[m.ID] {
			t.Fatalf("line %q: %v", text, err)
		}
		ids[m.ID] = true
	}
	if got := len(ids) + int(r.dropped.Load()); got != 8000 {
		t.Errorf("%d lines, %d dropped, want 8000 together", len(ids), r.dropped.Load())
	}
}
