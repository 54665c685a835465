package gitserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal/deploy"
)

func TestPusherWhoHangsUpStopsWatchingOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	hold := make(chan struct{})
	w.engine.play(func(a *attempt) { <-hold; a.promote() })
	cmd := c.command("push", "teal", "main")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the push is received", func() bool { return len(w.engine.received()) == 1 })
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	_ = cmd.Wait()
	close(hold)
	eventually(t, "the deployment goes on", func() bool { return w.ref("shop", "main") == c.head() })
	w.sound("shop")
}

func TestCancelOnDisconnectCancels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		canceled := make(chan string, 1)
		w.engine.play(func(a *attempt) {
			canceled <- <-a.canceled
			a.end(deploy.Canceled, "canceled by anna")
		})
		cmd := c.command("push", "-o", "cancel-on-disconnect", "teal", "main")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		n := len(w.engine.received())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the push is received", func() bool { return len(w.engine.received()) == n+1 })
		_ = syscall.Kill(-cmd.Process.Pid, signal)
		_ = cmd.Wait()
		select {
		case by := <-canceled:
			if by != "anna" {
				t.Errorf("canceled by %q", by)
			}
		case <-time.After(time.Minute):
			t.Errorf("%v canceled nothing", signal)
		}
	}
	if got := w.ref("shop", "main"); got != noHash {
		t.Errorf("the ref is at %s", got)
	}
}

func TestPusherWhoHangsUpNeverCancelsSomeoneElsesDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	w.engine.play(func(a *attempt) { a.end(deploy.Superseded, "superseded by bert's push of 3f2a1bc") })
	c.try("push", "-o", "cancel-on-disconnect", "teal", "main")
	release := make(chan struct{})
	w.engine.play(func(a *attempt) { <-release; a.promote() })
	c.commit("newer", "x")
	pushed := make(chan result, 1)
	go func() { pushed <- c.try("push", "teal", "main") }()
	eventually(t, "the newer push is received", func() bool { return len(w.engine.received()) == 2 })
	gone, leave := context.WithCancelCause(t.Context())
	leave(errClientGone)
	p := &push{s: w.server, se: &session{s: w.server, user: "anna"}, options: deploy.Options{CancelOnDisconnect: true}}
	p.abandon(gone, deploy.Deployment{ID: 1, App: "shop"})
	select {
	case by := <-w.engine.attempt(2).canceled:
		t.Errorf("the newer deployment was canceled by %s", by)
	default:
	}
	close(release)
	if r := <-pushed; r.exit != 0 {
		t.Errorf("exit %d\n%s", r.exit, r.out)
	}
}

func TestCtrlCBehindControlMasterIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	canceled := make(chan string, 1)
	w.engine.play(func(a *attempt) { canceled <- <-a.canceled; a.end(deploy.Canceled, "canceled by anna") })
	socket := filepath.Join(w.dir, "mux")
	master := exec.Command("ssh", append(w.sshArgs("anna"), "-M", "-N", "-S", socket, "git@127.0.0.1")...)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Process.Kill(); _ = master.Wait() }()
	eventually(t, "the master is up", func() bool { return exec.Command("ssh", "-S", socket, "-O", "check", "x").Run() == nil })
	cmd := c.command("push", "-o", "cancel-on-disconnect", "teal", "main")
	for i, e := range cmd.Env {
		if strings.HasPrefix(e, "GIT_SSH_COMMAND=ssh") {
			cmd.Env[i] = strings.Replace(e, "GIT_SSH_COMMAND=ssh", "GIT_SSH_COMMAND=ssh -S "+socket, 1)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the push is received", func() bool { return len(w.engine.received()) == 1 })
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	_ = cmd.Wait()
	select {
	case <-canceled:
	case <-time.After(time.Minute):
		t.Error("the end of the channel was not noticed")
	}
}

func TestStoppedClientNeverBlocksTheDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	began, fast := make(chan struct{}), make(chan time.Duration, 1)
	w.engine.play(func(a *attempt) {
		<-began
		start := time.Now()
		for i := range 100_000 {
			a.log("%d %s", i, strings.Repeat("x", 200))
		}
		a.promote()
		fast <- time.Since(start)
	})
	cmd := c.command("push", "teal", "main")
	var out lockedBuffer
	cmd.Stderr = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the push is received", func() bool { return len(w.engine.received()) == 1 })
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGSTOP)
	close(began)
	select {
	case <-fast:
	case <-time.After(time.Minute):
		t.Error("the deployment waits for a client that was stopped")
	}
	eventually(t, "the ref moves", func() bool { return w.ref("shop", "main") == c.head() })
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT)
	late := time.AfterFunc(time.Minute, func() { killGroup(cmd) })
	if err := cmd.Wait(); err != nil {
		t.Errorf("the push ends with %v", err)
	}
	late.Stop()
	has(t, out.String(), "[the log was faster than your connection; the rest: ssh -p 2222 host logs -f shop]", "✓ shop v1 is live on blue")
}

func TestSilentBuildIsKeptAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.SidebandKeepalive = 20 * time.Millisecond }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	hold := make(chan struct{})
	w.engine.play(func(a *attempt) { <-hold; a.promote() })
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	s.send(c.packFor("HEAD"))
	buf := make([]byte, maxPacket)
	for range 5 {
		p, _, err := readPacket(s.out, buf)
		if err != nil || len(p) != 1 || p[0] != bandProgress {
			t.Fatalf("%q, %v", p, err)
		}
	}
	close(hold)
	has(t, s.answer(), "ok refs/heads/main")
}

func TestChattyLogIsSentInFewPackets(t *testing.T) {
	t.Parallel()
	lines := make(chan deploy.LogLine, 1000)
	for i := range 1000 {
		lines <- deploy.LogLine{Text: fmt.Sprintf("line %d", i)}
	}
	close(lines)
	var out lockedBuffer
	p := &push{talk: &talk{band: &sideband{w: &out}}}
	for line := range lines {
		p.relay(line, lines)
	}
	if n := strings.Count(out.String(), "\x02"); n != 1 {
		t.Errorf("%d packets, want 1", n)
	}
	has(t, out.String(), "line 0\nline 1\n", "line 999\n")
}
