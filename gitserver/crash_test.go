package gitserver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"teal/deploy"
)

// daemonDir makes the test binary a daemon that can be killed.
const daemonDir = "TEAL_GITSERVER_TEST_DAEMON"

// daemon serves the repositories in dir until it is killed: every push is
// promoted at once.
func daemon(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	key, err := os.ReadFile(filepath.Join(dir, "key-anna"))
	if err != nil {
		return err
	}
	signer, err := gossh.ParsePrivateKey(key)
	if err != nil {
		return err
	}
	store := newMemory()
	fingerprint := gossh.FingerprintSHA256(signer.PublicKey())
	store.keys[fingerprint] = deploy.Key{User: "anna", Fingerprint: fingerprint}
	store.apps["shop"] = deploy.App{Name: "shop"}
	limits := Limits{DiskFree: 1}
	if text := os.Getenv(daemonDir + "_LIMITS"); text != "" {
		if err := json.Unmarshal([]byte(text), &limits); err != nil {
			return err
		}
	}
	core := &engine{t: &testing.T{}, trusting: true, store: store, all: map[deploy.DeploymentID]*attempt{}}
	repos := NewRepos(ReposConfig{Dir: filepath.Join(dir, "repos"), Limits: limits, Keep: core.needed})
	core.repos = repos
	if os.Getenv(daemonDir+"_BUILD") != "" {
		core.script = (*attempt).build
	}
	if err := repos.Sweep(ctx); err != nil {
		return err
	}
	server, err := New(Config{
		HostKeyDir: os.Getenv(daemonDir + "_KEYS"), Repos: repos, Keys: store, Apps: store, Limits: limits,
		Engine:    core,
		Authorize: func(context.Context, string, deploy.Verb, deploy.AppName) error { return nil },
	})
	if err != nil {
		return err
	}
	server.watch = core.feed
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return server.Serve(ctx, ln)
}

// Kills of each kind, 50 in all, over pushes of so many bytes.
const (
	kills     = 25
	killBytes = 20 << 20
)

func TestDaemonKilledAtAnyByteOfAPushLeavesSoundRepositories(t *testing.T) {
	t.Parallel()
	w, c := newVictim(t)
	size := c.heavy(0)
	for round := range kills {
		before := w.ref("shop", "main")
		cmd := w.startDaemon(c) // it sweeps what the last kill left
		w.sound("shop")
		if got := w.ref("shop", "main"); got != before {
			t.Errorf("round %d: the ref was at %s, and is at %s after the start", round, before, got)
		}
		w.pushUntil(c, rand.Int64N(size+size/10), func(*exec.Cmd) { _ = cmd.Process.Kill() })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.between(before, c) {
			size = c.heavy(round + 1)
		}
	}
	w.lastPush(c)
}

func TestClientKilledAtAnyByteOfAPushLeavesSoundRepositories(t *testing.T) {
	t.Parallel()
	w, c := newVictim(t)
	size := c.heavy(0)
	cmd := w.startDaemon(c)
	for round := range kills {
		before := w.ref("shop", "main")
		w.pushUntil(c, rand.Int64N(size+size/10), killGroup)
		w.sound("shop")
		if w.between(before, c) {
			size = c.heavy(round + 1)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	w.lastPush(c)
}

// newVictim makes a world whose server is a daemon of its own, with one commit
// in its repository, and a clone that packs without compressing.
func newVictim(t testing.TB) (*world, *clone) {
	t.Helper()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("config", "core.compression", "0")
	c.git("config", "pack.compression", "0")
	c.git("config", "core.bigFileThreshold", "512k")
	c.git("push", "-q", "teal", "main")
	w.stop()
	return w, c
}

// heavy commits 20 MB that nobody has yet. It returns the size of the push.
func (c *clone) heavy(seed int) int64 {
	c.w.t.Helper()
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	part := make([]byte, killBytes/20)
	for i := range 20 {
		_, _ = random.Read(part)
		c.w.write(filepath.Join(c.dir, "heavy", fmt.Sprint(i)), string(part), 0o644)
	}
	c.commit("seed", fmt.Sprint(seed))
	return killBytes
}

// pushUntil pushes, and calls kill with the push once n bytes have gone to the
// server, or when the push is over. It returns when the push is.
func (w *world) pushUntil(c *clone, n int64, kill func(push *exec.Cmd)) {
	w.t.Helper()
	reached := make(chan struct{})
	stop := w.tap(c, n, reached)
	defer stop()
	push := c.command("push", "-q", "teal", "main")
	push.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := push.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = push.Wait() }()
	select {
	case <-reached:
		kill(push)
	case <-ended:
		return
	case <-time.After(2 * time.Minute):
		w.t.Errorf("%d bytes of the push did not arrive", n)
		killGroup(push)
	}
	late := time.AfterFunc(time.Minute, func() { killGroup(push) })
	defer late.Stop()
	<-ended
}

// tap leads the clone to the daemon through a line that counts: reached is
// closed when n bytes went to the daemon. It returns the line's end.
func (w *world) tap(c *clone, n int64, reached chan struct{}) (stop func()) {
	w.t.Helper()
	daemon := w.addr
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.lead(c, ln.Addr().String())
	var lines sync.WaitGroup
	lines.Go(func() {
		from, err := ln.Accept()
		if err != nil {
			return
		}
		defer from.Close()
		to, err := net.Dial("tcp", daemon)
		if err != nil {
			return
		}
		defer to.Close()
		lines.Go(func() {
			_, _ = io.Copy(from, to) // ends with either side
			from.Close()
		})
		_, err = io.CopyN(to, from, n)
		close(reached)
		if err == nil {
			_, _ = io.Copy(to, from)
		}
	})
	return func() {
		ln.Close()
		lines.Wait()
		w.addr = daemon
	}
}

// lead points the clone at an address.
func (w *world) lead(c *clone, addr string) {
	w.addr = addr
	w.trust()
	c.git("remote", "set-url", "teal", w.url("shop"))
}

// between fails the test unless the ref is where it was, or at the commit that
// was pushed. It says whether the push came through.
func (w *world) between(before string, c *clone) bool {
	w.t.Helper()
	got := w.ref("shop", "main")
	if got != before && got != c.head() {
		w.t.Errorf("the ref is at %s, and was at %s when %s was pushed", got, before, c.head())
	}
	return got == c.head()
}

// lastPush shows that a daemon that starts now leaves nothing of its
// predecessors behind, takes a push, and ends when it is asked to.
func (w *world) lastPush(c *clone) {
	w.t.Helper()
	cmd := w.startDaemon(c)
	w.sound("shop")
	c.commit("last", "x")
	c.git("push", "-q", "teal", "main")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		w.t.Errorf("the daemon ends with %v", err)
	}
	if got := w.ref("shop", "main"); got != c.head() {
		w.t.Errorf("the ref is at %s, want %s", got, c.head())
	}
	w.sound("shop")
}

// startDaemon starts one and points the clone at it.
func (w *world) startDaemon(c *clone, env ...string) *exec.Cmd {
	w.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), daemonDir + "=" + w.dir, daemonDir + "_KEYS=" + hostKeyDir}, env...)
	cmd.Stderr = w.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // an error: it was waited for already
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	w.lead(c, strings.TrimSpace(line))
	return cmd
}
