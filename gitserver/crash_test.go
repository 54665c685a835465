package gitserver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
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
	repos := NewRepos(ReposConfig{Dir: filepath.Join(dir, "repos"), Limits: Limits{DiskFree: 1}})
	if err := repos.Sweep(ctx); err != nil {
		return err
	}
	server, err := New(Config{
		HostKeyDir: os.Getenv(daemonDir + "_KEYS"), Repos: repos, Keys: store, Apps: store,
		Engine:    &engine{t: &testing.T{}, repos: repos, store: store, all: map[deploy.DeploymentID]*attempt{}},
		Authorize: func(context.Context, string, deploy.Verb, deploy.AppName) error { return nil },
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return server.Serve(ctx, ln)
}

func TestDaemonKilledInAPushLeavesSoundRepositories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	w.stop()
	for round := range 5 {
		before := w.ref("shop", "main")
		c.commit("noise", noise(2<<20, round))
		cmd := w.startDaemon(c)
		push := c.command("push", "-q", "teal", "main")
		push.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := push.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(20*time.Second, func() { killGroup(push) })
		pushed := make(chan struct{})
		go func() { defer close(pushed); _ = push.Wait() }()
		w.awaitBytes(int64(round)<<19, pushed)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-pushed
		late.Stop()
		if got := w.ref("shop", "main"); got != before && got != c.head() {
			t.Errorf("round %d: the ref is at %s", round, got)
		}
		if err := w.repos.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sound("shop")
	}
	cmd := w.startDaemon(c)
	c.commit("last", "x")
	c.git("push", "-q", "teal", "main")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the daemon ends with %v", err)
	}
	if got := w.ref("shop", "main"); got != c.head() {
		t.Errorf("the ref is at %s, want %s", got, c.head())
	}
}

// awaitBytes returns when so many bytes of a pack have arrived, or all.
func (w *world) awaitBytes(n int64, pushed <-chan struct{}) {
	w.t.Helper()
	eventually(w.t, "the pack arrives", func() bool {
		select {
		case <-pushed:
			return true
		default:
		}
		packs, _ := filepath.Glob(filepath.Join(w.repos.path("shop"), "objects", "tmp_objdir-*", "pack", "tmp_pack_*"))
		for _, p := range packs {
			if info, err := os.Stat(p); err == nil && info.Size() >= n {
				return true
			}
		}
		return false
	})
}

// startDaemon starts one and points the clone at it.
func (w *world) startDaemon(c *clone) *exec.Cmd {
	w.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), daemonDir + "=" + w.dir, daemonDir + "_KEYS=" + hostKeyDir}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = strings.TrimSpace(line)
	w.trust()
	c.git("remote", "set-url", "teal", w.url("shop"))
	return cmd
}
