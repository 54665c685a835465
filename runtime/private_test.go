package runtime

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"teal/deploy"
)

// privateEnv makes the test binary become an Engine with a state directory of
// that name, in namespaces of its own: a second Engine in the host's network
// would take the first one's bridge away.
const privateEnv = "TEAL_TEST_PRIVATE_ENGINE"

func becomeEngine() {
	dir := os.Getenv(privateEnv)
	dockerd, err := exec.LookPath("dockerd")
	for _, err := range []error{
		err,
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
		syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""),
		syscall.Exec(dockerd, []string{
			"dockerd", "--data-root", dir + "/data", "--exec-root", dir + "/exec", "--pidfile", dir + "/pid",
			"-H", "unix://" + dir + "/s", "--storage-driver", "vfs", "--bridge", "none",
		}, os.Environ()),
	} {
		if err != nil {
			panic(err)
		}
	}
}

// privateEngine is an Engine that a test may stop and kill.
type privateEngine struct {
	dir    string
	client *client.Client
	cmd    *exec.Cmd
	log    *os.File
}

func newPrivateEngine(t *testing.T) *privateEngine {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-e") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	p := &privateEngine{dir: dir, client: clientOf(t, filepath.Join(dir, "s"))}
	if p.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.end(t, syscall.SIGTERM)
		}
		if text, _ := os.ReadFile(p.log.Name()); t.Failed() {
			t.Logf("the private Engine said:\n%s", text[max(0, len(text)-8000):])
		}
		_ = p.log.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p.start(t)
	return p
}

func (p *privateEngine) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command("/proc/self/exe")
	p.cmd.Env = append(os.Environ(), privateEnv+"="+p.dir)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, "the private Engine answers", func() bool {
		_, err := p.client.Ping(t.Context())
		return err == nil
	})
}

// end stops the Engine, or kills it and with it every process in its
// namespace, as a power cut does.
func (p *privateEngine) end(t *testing.T, how syscall.Signal) {
	t.Helper()
	kill := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Process.Signal(how)
	_ = p.cmd.Wait()
	p.cmd = nil
	// Numbers of processes of the last life mean others in the next.
	_ = os.Remove(p.dir + "/pid")
	_ = os.Remove(p.dir + "/exec/containerd/containerd.pid")
}

func TestEngineThatGoesAndComesBackIsFoundAgain(t *testing.T) {
	t.Parallel()
	p := newPrivateEngine(t)
	id, err := importImage(t.Context(), p.client, appTar, []string{`ENTRYPOINT ["/app"]`})
	if err != nil {
		t.Fatal(err)
	}
	d := New(Config{Client: p.client, Namespace: testPrefix + "private", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	stop := running(t, d)
	defer stop()
	trusted, fresh, asleep := release("trusted", 1, ""), release("fresh", 1, ""), release("asleep", 1, "")
	before := map[deploy.AppName]deploy.Instance{}
	for _, r := range []*deploy.Release{&trusted, &fresh, &asleep} {
		r.Image = id
		in := start(t, d, *r, deploy.Blue)[0]
		before[r.App] = in
		if r.App != "fresh" {
			if err := d.setPolicy(t.Context(), in.ID, "unless-stopped"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Stop(t.Context(), "asleep", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, how := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		changes := d.Changes(t.Context())
		p.end(t, how)
		if _, err := d.List(t.Context()); !errors.Is(err, deploy.ErrEngineAway) {
			t.Errorf("after %s List says %v", how, err)
		}
		quiet(changes, 300*time.Millisecond)
		p.start(t)
		await(t, changes, "the Engine is back")
		if how == syscall.SIGTERM {
			eventually(t, 30*time.Second, "the trusted instance runs by itself", func() bool { return stateOf(t, d)["trusted"].Running })
		}
		for app, in := range stateOf(t, d) {
			if in.ID != before[app].ID || in.Addr != before[app].Addr || in.Running && app == "asleep" {
				t.Errorf("after %s it is %+v, was %+v", how, in, before[app])
			}
		}
		for _, r := range []deploy.Release{trusted, fresh} {
			if in := start(t, d, r, deploy.Blue)[0]; !in.Running || in.Addr != before[r.App].Addr {
				t.Errorf("started after %s it is %+v, was %+v", how, in, before[r.App])
			} else {
				before[r.App] = in
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for app := range before {
		if err := errors.Join(d.Remove(ctx, app, 1), d.Forget(ctx, app)); err != nil {
			t.Error(err)
		}
	}
}

func stateOf(t *testing.T, d *Docker) map[deploy.AppName]deploy.Instance {
	t.Helper()
	found := map[deploy.AppName]deploy.Instance{}
	for _, in := range list(t, d) {
		found[in.App] = in
	}
	if len(found) != 3 {
		t.Errorf("the Engine has %s", strings.Join(names(found), ", "))
	}
	return found
}

func names(m map[deploy.AppName]deploy.Instance) (list []string) {
	for app := range m {
		list = append(list, string(app))
	}
	return list
}
