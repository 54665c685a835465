package gitserver

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal/deploy"
)

// BenchmarkLogOverSSH is how fast a chatty build reaches a client that reads.
func BenchmarkLogOverSSH(b *testing.B) {
	line := deploy.LogLine{Text: strings.Repeat("compiling x.go ", 6)}
	lines := make(chan deploy.LogLine, 4096)
	w := newWorld(b, commands(func(_ context.Context, s Session) int {
		p := &push{talk: &talk{band: &sideband{w: s.Stdout}}}
		for l := range lines {
			p.relay(l, lines)
		}
		return 0
	}))
	session, err := w.dial("anna").client.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	session.Stdout = io.Discard
	b.SetBytes(int64(len(line.Text)) + 1)
	if err := session.Start("log"); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		lines <- line
	}
	close(lines)
	if err := session.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLogOfABuild is how fast a build can write its log through the core
// while a client reads it, how much of it that client gets, and what processor
// time both of them take.
func BenchmarkLogOfABuild(b *testing.B) {
	const total = 200 << 20
	w := newRealWorld(b, 0)
	line := []byte(strings.Repeat("compiling x.go ", 6) + "\n")
	var took time.Duration
	w.core.Building = func(_ context.Context, _ deploy.BuildRequest, log io.Writer) error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		for n := 0; n < total; n += len(line) {
			if _, err := log.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	c := w.developers(1, func(int) string { return "chatty" })[0]
	for b.Loop() {
		s := w.dial("anna").receivePack("chatty")
		before := spent(syscall.RUSAGE_SELF)
		tip := c.commit("f", fmt.Sprint(b.Elapsed()))
		s.command(w.ref("chatty", "main"), tip, "refs/heads/main", usualCaps)
		s.send(append([]byte("0000"), c.packFor(tip)...))
		got, err := io.Copy(io.Discard, s.out)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(total/1e6/took.Seconds(), "MB/s-written")
		b.ReportMetric(total/1e6/(spent(syscall.RUSAGE_SELF)-before).Seconds(), "MB/CPU-s")
		b.ReportMetric(100*float64(got)/total, "%-read")
	}
}

// BenchmarkIncrementalPush is one small push by a client that is connected
// already, the deployment not counted.
func BenchmarkIncrementalPush(b *testing.B) {
	w := newWorld(b)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	for range b.N {
		b.StopTimer()
		before := c.head()
		tip := c.commit("f", fmt.Sprint(b.Elapsed(), before))
		pack := c.packFor(tip, "^"+before)
		client := w.dial("anna")
		b.StartTimer()
		s := client.receivePack("shop")
		s.command(before, tip, "refs/heads/main", usualCaps)
		has(b, s.finish(pack), "ok refs/heads/main")
	}
}

// benchTree makes a commit of 5,000 files in the app's repository.
func benchTree(b *testing.B) (w *world, c *clone) {
	b.Helper()
	w = newWorld(b)
	w.addApp("shop")
	c = w.newClone("anna", "shop")
	for i := range 5000 {
		c.w.write(filepath.Join(c.dir, fmt.Sprintf("dir%d", i%50), fmt.Sprint(i)), noise(8<<10, i), 0o644)
	}
	c.commit("all", "x")
	c.git("push", "-q", "teal", "main")
	return w, c
}

// BenchmarkTar is the export of 5,000 files; BenchmarkGitArchive is git's own.
func BenchmarkTar(b *testing.B) {
	w, c := benchTree(b)
	b.ResetTimer()
	for range b.N {
		src, err := w.repos.Source(b.Context(), "shop", c.head())
		if err != nil {
			b.Fatal(err)
		}
		if err := src.Tar(b.Context(), io.Discard, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGitArchive is what BenchmarkTar is compared with.
func BenchmarkGitArchive(b *testing.B) {
	w, c := benchTree(b)
	b.ResetTimer()
	for range b.N {
		cmd := exec.Command("git", "archive", "--format=tar", c.head())
		cmd.Dir = w.repos.path("shop")
		cmd.Stdout = struct{ io.Writer }{io.Discard} // a pipe, as ours
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}
