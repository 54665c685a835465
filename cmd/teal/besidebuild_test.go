package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkLiveAppBesideABuild measures a live app's 99th percentile while a
// build uses all processors and memory bandwidth that it gets, against the same
// without a build. The same build without Teal's hold on it is the peer: what
// any tool does that leaves builds to the Engine.
//
//	go test ./cmd/teal -run '^$' -bench LiveAppBesideABuild -benchtime 1x
func BenchmarkLiveAppBesideABuild(b *testing.B) {
	d := startBenchDaemon(b)
	d.push(b, 1)
	d.addHungry(b)
	b.Cleanup(func() {
		if err := d.parts.engine.Destroy(context.Background(), "hungry", "admin"); err != nil {
			b.Error(err)
		}
	})
	var quiet, held, free []float64
	for range b.N * 9 {
		quiet = append(quiet, d.p99(b))
		held = append(held, d.p99Beside(b, func() {}))
		free = append(free, d.p99Beside(b, func() { letLoose(b) }))
	}
	report(b, quiet, "quiet-p99-ms")
	report(b, held, "beside-a-build-p99-ms")
	report(b, free, "beside-an-unheld-build-p99-ms")
	ratio := median(held) / median(quiet)
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(median(free)/median(quiet), "unheld-ratio")
	if ratio > mostBeside {
		b.Errorf("a live app's p99 beside a build is %.2f × the one without (medians of %d: %.2f ms and %.2f ms), promised are %.2f",
			ratio, len(quiet), median(held), median(quiet), mostBeside)
	}
}

// mostBeside is what is promised of a live app's 99th percentile beside a build,
// as a multiple of the one without.
const mostBeside = 1.2

const burnFor = 8 * time.Second

// addHungry makes a work tree beside that of shop, whose build is hungry.
func (d *benchDaemon) addHungry(b *testing.B) {
	tree := &benchDaemon{work: filepath.Join(filepath.Dir(d.work), "hungry")}
	if err := os.CopyFS(tree.work, os.DirFS(d.work)); err != nil {
		b.Fatal(err)
	}
	vict, err := os.ReadFile(victBin)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree.work, "vict"), vict, 0o755); err != nil {
		b.Fatal(err)
	}
	tree.git(b, "remote", "set-url", "teal", fmt.Sprintf("ssh://git@localhost:%d/hungry", port(d.parts.doors.ssh)))
}

// p99Beside measures while the hungry build runs; loose is called when it does.
func (d *benchDaemon) p99Beside(b *testing.B, loose func()) float64 {
	tree := &benchDaemon{work: filepath.Join(filepath.Dir(d.work), "hungry")}
	text := fmt.Sprintf("FROM scratch\nCOPY app vict /\nRUN [\"/vict\", \"-burn\", %q, \"-show\", %q]\nENTRYPOINT [\"/app\"]\n", burnFor, time.Now())
	if err := os.WriteFile(filepath.Join(tree.work, "Dockerfile"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	tree.git(b, "add", "-A")
	tree.git(b, "commit", "-q", "-m", "hungry")
	push := exec.Command("git", "push", "-q", "teal", "HEAD:main")
	push.Dir, push.Env = tree.work, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0")
	if err := push.Start(); err != nil {
		b.Fatal(err)
	}
	for began := time.Now(); burning() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			b.Fatal("the hungry build never ran")
		}
	}
	loose()
	p99 := d.p99(b)
	if burning() == 0 {
		b.Error("the build ended before the measurement")
	}
	if err := push.Wait(); err != nil {
		b.Fatal(err)
	}
	return p99
}

// burning counts the build's processes.
func burning() (n int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), "/vict\x00-burn") {
			n++
		}
	}
	return n
}

// letLoose gives builds what they have without Teal.
func letLoose(b *testing.B) {
	for _, knob := range [][2]string{
		{"cpu/docker/buildkit/cpu.idle", "0"},
		{"cpu/docker/buildkit/cpu.shares", "1024"},
		{"cpu/teal-builds/cpu.idle", "0"},
		{"cpu/teal-builds/cpu.shares", "1024"},
	} {
		if err := os.WriteFile(filepath.Join("/sys/fs/cgroup", knob[0]), []byte(knob[1]), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// p99 asks shop over four connections for some seconds, each about 200 times a
// second, and gives the 99th percentile in ms.
func (d *benchDaemon) p99(b *testing.B) float64 {
	var mu sync.Mutex
	var took []float64
	var all sync.WaitGroup
	end := time.Now().Add(burnFor * 5 / 8)
	for range 4 {
		all.Go(func() {
			for time.Now().Before(end) {
				req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port(d.parts.doors.http)), nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Host = "shop.localhost"
				began := time.Now()
				resp, err := d.client.Do(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Error("a request to the live app failed:", err)
					return
				}
				mu.Lock()
				took = append(took, float64(time.Since(began).Microseconds())/1000)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}
