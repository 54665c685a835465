package gitserver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

func TestOtherCommandLinesGoToCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(_ context.Context, s Session) int {
		in, _ := io.ReadAll(s.Stdin)
		fmt.Fprintf(s.Stdout, "%s %q %q pty=%v\n", s.User, s.Args, in, s.PTY)
		fmt.Fprintln(s.Stderr, "to stderr")
		return 42
	}))
	r := w.ssh("anna", "config", "set", "shop", `'A=b c'`)
	if r.exit != 42 {
		t.Errorf("exit %d, want 42", r.exit)
	}
	has(t, r.out, `anna ["config" "set" "shop" "A=b c"] "" pty=false`, "to stderr")
	has(t, w.ssh("bert", "-n").out, `bert [] "" pty=false`)
	terminal, err := w.dial("bert").client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	_ = terminal.RequestPty("xterm", 24, 80, nil)
	if out, _ := terminal.Output("x"); !strings.Contains(string(out), "pty=true") {
		t.Errorf("the wish for a terminal is not told: %q", out)
	}
	if r := w.ssh("anna", "'open"); r.exit != 2 {
		t.Errorf("exit %d, want 2", r.exit)
	}
	for _, line := range []string{"scp -t /", "git-lfs-authenticate shop download", "rsync --server ."} {
		if r := w.ssh("anna", line); r.exit != 1 || !strings.HasPrefix(r.out, "teal: ") || strings.Count(r.out, "\n") != 1 {
			t.Errorf("%s: exit %d, %q", line, r.exit, r.out)
		}
	}
}

func TestIdentityIsThatOfTheProvenKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(_ context.Context, s Session) int {
		fmt.Fprintln(s.Stdout, s.User, s.Key)
		return 0
	}))
	// anna's key is offered, and a signature made with another one.
	liar := lyingSigner{w.keys["anna"].PublicKey(), w.keys["bert"]}
	config := w.clientConfig("bert")
	config.Auth = []gossh.AuthMethod{gossh.PublicKeys(liar)}
	if _, err := gossh.Dial("tcp", w.addr, config); err == nil {
		t.Fatal("a forged signature was taken")
	}
	// anna's key is offered and not proven, then bert's is proven.
	config.Auth = []gossh.AuthMethod{gossh.PublicKeys(liar, w.keys["bert"])}
	client, err := gossh.Dial("tcp", w.addr, config)
	if err == nil {
		s, _ := client.NewSession()
		out, _ := s.Output("whoami")
		if !strings.HasPrefix(string(out), "bert ") {
			t.Errorf("the session is %q", out)
		}
		client.Close()
	}
	// The user name that the client gives says nothing.
	r := w.finish(exec.Command("ssh", append(w.sshArgs("bert"), "anna@127.0.0.1", "whoami")...))
	if !strings.HasPrefix(r.out, "bert "+gossh.FingerprintSHA256(w.keys["bert"].PublicKey())) {
		t.Errorf("the session is %q", r.out)
	}
	if w.store.keys[gossh.FingerprintSHA256(w.keys["bert"].PublicKey())].LastUsedAt.IsZero() {
		t.Error("the use of the key was not recorded")
	}
}

// lyingSigner shows one key and signs with another.
type lyingSigner struct {
	shown gossh.PublicKey
	gossh.Signer
}

func (l lyingSigner) PublicKey() gossh.PublicKey { return l.shown }

func TestOnlyKeysOpenTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := false
	for name, method := range map[string]gossh.AuthMethod{
		"password": gossh.Password("secret"),
		"keyboard-interactive": gossh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			asked = true
			return make([]string, len(questions)), nil
		}),
	} {
		config := w.clientConfig("anna")
		config.Auth = []gossh.AuthMethod{method}
		_, err := gossh.Dial("tcp", w.addr, config)
		if err == nil || asked || strings.Contains(err.Error(), "attempted methods [none "+name) {
			t.Errorf("%s: asked %v, %v", name, asked, err)
		}
	}
	config := w.clientConfig("anna")
	config.Auth = nil
	if _, err := gossh.Dial("tcp", w.addr, config); err == nil {
		t.Error("none was taken")
	}
	stranger := w.ownKeyless("stranger")
	if r := w.finish(exec.Command("ssh", append(w.sshArgs("stranger"), "-o", "BatchMode=yes", "git@127.0.0.1")...)); r.exit != 255 || !strings.Contains(r.out, "Permission denied (publickey)") {
		t.Errorf("a stranger's key %v: exit %d, %s", stranger, r.exit, r.out)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err == nil {
		signer, _ := gossh.NewSignerFromKey(short)
		w.own("anna", signer)
		config.Auth = []gossh.AuthMethod{gossh.PublicKeys(signer)}
		if _, err := gossh.Dial("tcp", w.addr, config); err == nil {
			t.Error("an RSA key of 1024 bits was taken")
		}
	}
}

// ownKeyless makes a key that belongs to nobody.
func (w *world) ownKeyless(name string) string {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return gossh.FingerprintSHA256(w.keyFile(name, private).PublicKey())
}

func TestNothingButSessionsAndOneVariableIsGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.dial("anna").client
	for _, kind := range []string{"direct-tcpip", "x11", "auth-agent@openssh.com", "tun@openssh.com", "forwarded-tcpip"} {
		if _, _, err := client.OpenChannel(kind, nil); err == nil {
			t.Errorf("a channel of type %s was opened", kind)
		}
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com"} {
		if ok, _, err := client.SendRequest(kind, true, gossh.Marshal(struct {
			A string
			P uint32
		}{"0.0.0.0", 0})); ok || err != nil {
			t.Errorf("%s: %v, %v", kind, ok, err)
		}
	}
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"x11-req", "auth-agent-req@openssh.com", "subsystem", "signal", "window-change", "xon-xoff"} {
		if ok, _ := s.SendRequest(kind, true, gossh.Marshal(struct{ Name string }{"sftp"})); ok {
			t.Errorf("%s was granted", kind)
		}
	}
	if s.Setenv("GIT_CONFIG_COUNT", "1") == nil || s.Setenv("LD_PRELOAD", "x") == nil || s.Setenv("GIT_PROTOCOL", "version=2:x") == nil {
		t.Error("a variable was taken")
	}
	if err := s.Setenv("GIT_PROTOCOL", "version=2"); err != nil {
		t.Error(err)
	}
	if s.RequestPty("xterm", 24, 80, nil) == nil {
		t.Error("a terminal was given")
	}
}

func TestFloodsWithinAConnectionEndTheSessionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(ctx context.Context, _ Session) int { <-ctx.Done(); return 0 }))
	client := w.dial("anna").client
	opened := 0
	for range 2000 {
		ch, reqs, err := client.OpenChannel("session", nil)
		if err == nil {
			opened++
			go gossh.DiscardRequests(reqs)
			defer ch.Close()
		}
	}
	if opened != 2 {
		t.Errorf("%d of 2000 channels were opened, want 2", opened)
	}
	flood, err := w.dial("anna").client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if flood.Setenv("A", strings.Repeat("x", 1000)) != nil && err == nil {
			_, err = flood.SendRequest("env", false, nil)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		t.Error("3000 requests were read on one session")
	}
	has(t, w.ssh("anna", "scp", "x").out, "files are not copied")
}

func TestPanicEndsTheSessionAndNotTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(context.Context, Session) int { panic("a bug") }))
	r := w.ssh("anna", "boom")
	if r.exit != 1 {
		t.Errorf("exit %d, want 1", r.exit)
	}
	has(t, r.out, "internal error")
	has(t, w.ssh("anna", "boom").out, "internal error")
	has(t, w.log.String(), "SSH session panicked", "a panic with a string", "ssh_test.go")
	if strings.Contains(w.log.String(), "a bug") {
		t.Error("the log has the panic's value, which may be a secret")
	}
}

func TestRemovedKeyLosesItsSessionsAtOnce(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 2)
	w := newWorld(t, commands(func(ctx context.Context, _ Session) int {
		begun <- struct{}{}
		<-ctx.Done()
		return 0
	}))
	ended := make(chan result, 1)
	go func() { ended <- w.ssh("bert", "wait") }()
	<-begun
	w.server.CutKey(gossh.FingerprintSHA256(w.keys["bert"].PublicKey()))
	select {
	case r := <-ended:
		if r.exit != 255 {
			t.Errorf("exit %d, want 255", r.exit)
		}
	case <-time.After(time.Minute):
		t.Error("the session goes on")
	}
	// A connection that is older than the key's removal gets no new session.
	old := w.dial("bert").client
	w.store.removeKey(gossh.FingerprintSHA256(w.keys["bert"].PublicKey()))
	s, err := old.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.CombinedOutput("whoami")
	if err == nil || !strings.Contains(string(out), "your key was removed") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestHandshakesThatStallMakeRoomForHonestClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.HandshakesPerAddress = 8 }), commands(func(context.Context, Session) int { return 0 }))
	var held []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	if r := w.ssh("anna", "x"); r.exit != 0 {
		t.Errorf("exit %d: %s", r.exit, r.out)
	}
	// All but the last eight were dropped.
	var closed atomic.Int32
	var reading sync.WaitGroup
	for _, c := range held {
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		reading.Go(func() {
			_, err := io.Copy(io.Discard, c)
			if ne := net.Error(nil); err == nil || !errors.As(err, &ne) || !ne.Timeout() {
				closed.Add(1)
			}
		})
	}
	reading.Wait()
	if n := closed.Load(); n < 190 {
		t.Errorf("%d of 200 idle connections were dropped", n)
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Handshake = 200 * time.Millisecond }))
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("an idle connection stands: %v", err)
	}
}

// TestIdleConnectionHasAnEnd also when it has a key, and no session or one that
// asks for nothing.
func TestIdleConnectionHasAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Idle = 3 * time.Second }))
	silent, asking := w.dial("anna").client, w.dial("anna").client
	if _, _, err := asking.OpenChannel("session", nil); err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]*gossh.Client{"without a session": silent, "with a session in which no command runs": asking} {
		ended := make(chan error, 1)
		go func() { ended <- client.Wait() }()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("an idle connection %s stands", name)
		}
	}
}

func TestAddressWithTooManyFailedLoginsIsRefused(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := newWorld(t, still(&ahead), limits(func(l *Limits) { l.PenaltyThreshold, l.PenaltyPerFailedLogin = 2*time.Second, time.Second }))
	w.ownKeyless("stranger")
	config := w.clientConfig("stranger")
	refused := false
	for range 20 {
		_, err := w.login("127.0.0.1", config)
		refused = refused || err != nil && !strings.Contains(err.Error(), "unable to authenticate")
	}
	if !refused {
		t.Error("20 failed logins in a row were heard")
	}
	w.refuses("127.0.0.1")
	ahead.Store(int64(10 * time.Second)) // the penalty wears off
	w.admits("127.0.0.1")
}

func TestClientThatIsStoppedIsCutByTheKeepalive(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	w := newWorld(t, limits(func(l *Limits) { l.Keepalive = time.Second }),
		commands(func(ctx context.Context, s Session) int {
			defer close(ended)
			for {
				if _, err := s.Stdout.Write(make([]byte, 32<<10)); err != nil {
					return 1
				}
			}
		}))
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	slow := &stoppedConn{Conn: c, stopped: make(chan struct{})}
	conn, chans, reqs, err := gossh.NewClientConn(slow, w.addr, w.clientConfig("anna"))
	if err != nil {
		t.Fatal(err)
	}
	client := gossh.NewClient(conn, chans, reqs)
	defer client.Close()
	defer slow.Close()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("pour"); err != nil {
		t.Fatal(err)
	}
	slow.stop()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the session of a stopped client goes on")
	}
}

func TestHostKeysStayTheSameAndTheirOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, k := range []string{"ssh_host_ed25519_key", "ssh_host_rsa_key"} {
		text, err := os.ReadFile(filepath.Join(hostKeyDir, k))
		if err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(filepath.Join(hostKeyDir, k)); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", k, info.Mode())
		}
		if err := os.WriteFile(filepath.Join(dir, k), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, err := loadHostKeys(hostKeyDir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadHostKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if !bytes.Equal(first[i].PublicKey().Marshal(), second[i].PublicKey().Marshal()) {
			t.Errorf("host key %d changed", i)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "ssh_host_rsa_key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := loadHostKeys(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a host key that others can read: %v", err)
	}
}

func TestServeLeavesNoGoroutineBehind(t *testing.T) {
	w := newWorld(t, commands(func(ctx context.Context, _ Session) int { <-ctx.Done(); return 0 }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	go func() { w.ssh("anna", "wait") }()
	idle := w.dial("bert").client
	defer idle.Close()
	eventually(t, "the session runs", func() bool {
		w.server.gate.mu.Lock()
		defer w.server.gate.mu.Unlock()
		for c := range w.server.gate.conns {
			if c.sessions > 0 {
				return true
			}
		}
		return false
	})
	w.stop()
	buf := make([]byte, 1<<20)
	eventually(t, "no goroutine of the server is left", func() bool {
		stacks := string(buf[:runtime.Stack(buf, true)])
		for g := range strings.SplitSeq(stacks, "\n\n") {
			if strings.Contains(g, "gitserver.(*Server).Serve") || strings.Contains(g, "gitserver.(*connection)") {
				return false
			}
		}
		return true
	})
}

// stoppedConn is a client whose process was stopped: it reads no more.
type stoppedConn struct {
	net.Conn
	stopped chan struct{}
}

func (c *stoppedConn) stop() { close(c.stopped) }

func (c *stoppedConn) Read(p []byte) (int, error) {
	select {
	case <-c.stopped:
		select {} // until the test's process ends; the server must not mind
	default:
	}
	return c.Conn.Read(p)
}
