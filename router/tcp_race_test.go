//go:build race

package router

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestRaceDetectorSeesWhatTheKernelReadsAndWrites runs itself: the process
// that has the races has to end in complaints.
func TestRaceDetectorSeesWhatTheKernelReadsAndWrites(t *testing.T) {
	if what := os.Getenv("ROUTER_TEST_RACE"); what != "" {
		raceWithKernel(t, what)
		return
	}
	for _, what := range []string{"read", "write"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "ROUTER_TEST_RACE="+what)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "DATA RACE") {
			t.Errorf("a buffer that is changed during a %s is no race: %v\n%s", what, err, out)
		}
	}
}

// raceWithKernel touches a buffer that another goroutine has the kernel use.
func raceWithKernel(t *testing.T, what string) {
	l := listen(t)
	defer l.Close()
	near := newTCPConn(dialRaw(t, l.Addr().String()).Conn)
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.Write([]byte("x"))
	buf, done := make([]byte, 1), make(chan struct{})
	go func() {
		defer close(done)
		if what == "read" {
			near.Read(buf)
		} else {
			near.Write(buf)
		}
	}()
	buf[0]++
	<-done
}
