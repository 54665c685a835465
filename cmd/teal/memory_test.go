package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestIdleMemoryWithTenAppsStaysSmall: at most 40 MB resident, on the binary that
// users have.
func TestIdleMemoryWithTenAppsStaysSmall(t *testing.T) {
	const limit = 40 << 10 // KiB
	bin, err := plainBin()
	if err != nil {
		t.Fatal(err)
	}
	w := makeWorld(t, bin)
	w.start()
	t.Logf("resident memory after the start: %.1f MiB", w.resident())
	t.Run("apps", func(t *testing.T) {
		for i := range 10 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				w.app(t, "anna", fmt.Sprintf("app-%d", i)).deploys(vict{version: "one"})
			})
		}
	})
	t.Logf("resident memory after ten deployments: %.1f MiB", w.resident())
	began := time.Now()
	// An idle program collects its garbage every two minutes.
	within(t, 4*time.Minute, func() string {
		return missing(w.resident() <= limit/1024, fmt.Sprintf("%.1f MiB resident become 40", w.resident()))
	})
	t.Logf("resident memory %v later, with ten apps: %.1f MiB", time.Since(began).Round(time.Second), w.resident())
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is the daemon's resident memory in MiB.
func (w *world) resident() float64 {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.daemon.cmd.Process.Pid))
	m := residentLine.FindSubmatch(status)
	if err != nil || m == nil {
		w.t.Fatalf("cannot read the daemon's memory: %v\n%s", err, status)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n / 1024
}
