package gitserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// peerLog makes the test binary git's own receive-pack, whose cost is written there.
const peerLog = "TEAL_GITSERVER_TEST_PEER"

// receiveForPeer runs git receive-pack and notes what it and its children cost.
func receiveForPeer(log, repo string) error {
	cmd := exec.Command("git", "receive-pack", repo)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, spent(syscall.RUSAGE_CHILDREN).Nanoseconds())
	return err
}

// spent is the processor time, user and system, of this process or its children.
func spent(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf is what a process used itself, and with its children that ended, in
// seconds. It waits until all of them have.
func cpuOf(t testing.TB, pid int) (own, all float64) {
	t.Helper()
	eventually(t, "the server's children ended", func() bool { return len(childrenOf(pid)) == 0 })
	for i, f := range statOf(pid)[11:15] { // utime stime cutime cstime, proc(5)
		ticks, _ := strconv.ParseFloat(f, 64) // a hundred of them in a second
		if all += ticks / 100; i < 2 {
			own += ticks / 100
		}
	}
	return own, all
}

// statOf are the fields of /proc/<pid>/stat from the third, the state, on.
func statOf(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
	_, rest, _ := bytes.Cut(text, []byte(") "))
	return append(strings.Fields(string(rest)), make([]string, 20)...)
}

func childrenOf(pid int) (children []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	parent := strconv.Itoa(pid)
	for _, dir := range all {
		if child, _ := strconv.Atoi(filepath.Base(dir)); statOf(child)[1] == parent {
			children = append(children, child)
		}
	}
	return children
}

// residentPeak is the most memory that the process had, in bytes.
func residentPeak(t testing.TB, pid int) int64 {
	t.Helper()
	n := statusOf(pid, "VmHWM:")
	if n == 0 {
		t.Fatalf("process %d is gone", pid)
	}
	return n
}

// statusOf is a value of /proc/<pid>/status in bytes; 0 when the process is gone.
func statusOf(pid int, name string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), name)
	kb, _ := strconv.ParseInt(append(strings.Fields(rest), "0")[0], 10, 64)
	return kb << 10
}

// peer is one of git's own servers.
type peer struct {
	name    string
	checked bool  // with receive.fsckObjects: it checks what Teal checks
	sshd    *sshd // nil: on a pipe, without SSH
}

// push measures pushes to a repository of the peer's.
func (p peer) push(m *bench, name string, revisions ...string) float64 {
	m.b.Helper()
	repo := filepath.Join(m.w.dir, "peers", name)
	if _, err := os.Stat(repo); err != nil {
		p.bare(m, repo)
	}
	if p.sshd != nil {
		return p.sshd.push(m, repo, revisions)
	}
	return pushThroughPipe(m, repo, revisions)
}

// bare makes a repository whose cost is counted to its end.
func (p peer) bare(m *bench, repo string) {
	m.c.git("init", "-q", "--bare", repo)
	for name, value := range map[string]string{
		"receive.fsckObjects": strconv.FormatBool(p.checked),
		"core.fsync":          "all",
		"gc.autoDetach":       "false",
	} {
		m.c.git("-C", repo, "config", name, value)
	}
}

func pushThroughPipe(m *bench, repo string, revisions []string) float64 {
	m.b.Helper()
	exe, err := os.Executable()
	if err != nil {
		m.b.Fatal(err)
	}
	log := filepath.Join(m.w.dir, "peer.log")
	_ = os.Remove(log)
	for _, r := range revisions {
		cmd := m.c.command("push", "-q", "--receive-pack="+exe, repo, r+":refs/heads/main")
		cmd.Env = append(cmd.Env, peerLog+"="+log)
		if out, err := cmd.CombinedOutput(); err != nil {
			m.b.Fatalf("%v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		m.b.Fatal(err)
	}
	var sum float64
	for line := range strings.FieldsSeq(string(text)) {
		n, _ := strconv.ParseFloat(line, 64)
		sum += n / 1e9
	}
	return sum
}

// sshd is OpenSSH's server on a port of its own, in front of git's receive-pack.
type sshd struct {
	cmd  *exec.Cmd
	user string
	addr string
	ssh  []string // OpenSSH's arguments to reach it
}

// startSSHD starts one that anna's key opens. It negotiates with her client what
// Teal does: the key exchange and the cipher that the client names first of
// those that both know.
func startSSHD(b *testing.B, w *world) *sshd {
	b.Helper()
	program := "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		b.Fatalf("git is measured behind sshd, which is not here: apt-get install openssh-server (%v)", err)
	}
	if os.Geteuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755) // sshd says so when it misses it
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	hostKey := w.keyFile("sshd", private)
	w.write(filepath.Join(w.dir, "authorized_keys"), string(gossh.MarshalAuthorizedKey(w.keys["anna"].PublicKey())), 0o600)
	me, err := user.Current()
	if err != nil {
		b.Fatal(err)
	}
	s := &sshd{user: me.Username, addr: freeAddress(b)}
	host, port, _ := net.SplitHostPort(s.addr)
	w.write(filepath.Join(w.dir, "sshd_known_hosts"), fmt.Sprintf("[%s]:%s %s", host, port, gossh.MarshalAuthorizedKey(hostKey.PublicKey())), 0o600)
	s.ssh = w.sshArgsAt("anna", port, "sshd_known_hosts")
	s.cmd = exec.Command(program, "-D", "-e", "-f", "/dev/null", "-p", port, "-h", filepath.Join(w.dir, "key-sshd"))
	for _, o := range []string{
		"ListenAddress=" + host, "AuthorizedKeysFile=" + filepath.Join(w.dir, "authorized_keys"), "PidFile=none",
		"StrictModes=no", "UsePAM=no", "PermitRootLogin=prohibit-password", "PasswordAuthentication=no", "PrintMotd=no",
		"KexAlgorithms=curve25519-sha256", "LogLevel=ERROR",
		// Without it bash reads the .bashrc of whoever runs this.
		"SetEnv=SHLVL=2",
	} {
		s.cmd.Args = append(s.cmd.Args, "-o", o)
	}
	s.cmd.Stderr = w.log
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	eventually(b, "sshd listens", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

// freeAddress is one that nobody listens at now.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// push measures what sshd and all that it starts use.
func (s *sshd) push(m *bench, repo string, revisions []string) float64 {
	m.b.Helper()
	_, before := cpuOf(m.b, s.cmd.Process.Pid)
	for _, r := range revisions {
		cmd := m.c.command("push", "-q", "ssh://"+s.user+"@"+s.addr+repo, r+":refs/heads/main")
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND="+sshCommand(s.ssh))
		if out, err := cmd.CombinedOutput(); err != nil {
			m.b.Fatalf("%v\n%s\n%s", err, out, m.w.log)
		}
	}
	_, after := cpuOf(m.b, s.cmd.Process.Pid)
	return after - before
}
