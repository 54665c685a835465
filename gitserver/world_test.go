package gitserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"teal/deploy"
)

// hostKeyDir is shared by all tests: an RSA key takes seconds to make.
var hostKeyDir string

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonDir); dir != "" {
		if err := daemon(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if log := os.Getenv(peerLog); log != "" {
		if err := receiveForPeer(log, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "teal-host-keys-")
	if err != nil {
		panic(err)
	}
	hostKeyDir = dir
	if _, err := loadHostKeys(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is a server with its repositories, and what its clients need.
type world struct {
	t      testing.TB
	dir    string
	store  *memory
	engine *engine
	repos  *Repos
	server *Server
	addr   string // host:port
	log    *lockedBuffer
	keys   map[string]gossh.Signer
	stop   func() // ends Serve and waits for it
}

type option func(*Config, *ReposConfig)

func limits(f func(*Limits)) option {
	return func(c *Config, r *ReposConfig) { f(&c.Limits); r.Limits = c.Limits }
}

func commands(f func(context.Context, Session) int) option {
	return func(c *Config, _ *ReposConfig) { c.Commands = f }
}

// newWorld starts a server. anna may create apps, bert may see what he was
// given, root may everything.
func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), store: newMemory(), log: &lockedBuffer{}, keys: map[string]gossh.Signer{}}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	rc := ReposConfig{Dir: filepath.Join(w.dir, "repos"), Log: log}
	c := Config{
		HostKeyDir: hostKeyDir, Keys: w.store, Apps: w.store, Log: log,
		Authorize: func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error {
			return deploy.Authorize(ctx, w.store, user, verb, app)
		},
		URL:   func(app deploy.AppName) string { return "https://" + string(app) + ".example.com" },
		Reach: "ssh -p 2222 host",
	}
	// A disk that is nearly full is one test's business, not all of theirs.
	limits(func(l *Limits) { l.DiskFree = 1 << 20 })(&c, &rc)
	for _, o := range options {
		o(&c, &rc)
	}
	w.repos = NewRepos(rc)
	w.engine = &engine{t: t, repos: w.repos, store: w.store, all: map[deploy.DeploymentID]*attempt{}}
	c.Repos = w.repos
	scripted := c.Engine == nil
	if scripted {
		c.Engine = w.engine
	}
	w.addUser(deploy.User{Name: "anna", MayCreate: true})
	w.addUser(deploy.User{Name: "bert"})
	w.addUser(deploy.User{Name: "root", Admin: true})
	var err error
	if w.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	if scripted {
		w.server.watch = w.engine.feed
	}
	w.serve()
	return w
}

func (w *world) serve() {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, ln) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					w.t.Errorf("Serve: %v", err)
				}
			case <-time.After(time.Minute):
				w.t.Error("Serve did not return")
			}
		})
	}
	w.t.Cleanup(func() { w.stop(); w.engine.running.Wait() })
	w.trust()
}

// trust writes down the server's keys for ssh.
func (w *world) trust() {
	w.t.Helper()
	host, port, _ := net.SplitHostPort(w.addr)
	var known strings.Builder
	for _, k := range w.server.HostKeys() {
		fmt.Fprintf(&known, "[%s]:%s %s\n", host, port, k)
	}
	w.write(filepath.Join(w.dir, "known_hosts"), known.String(), 0o600)
}

// addUser makes a user with a key of his own.
func (w *world) addUser(u deploy.User) {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	signer := w.keyFile(u.Name, private)
	w.store.users[u.Name] = u
	w.own(u.Name, signer)
}

// own makes the key the user's.
func (w *world) own(user string, signer gossh.Signer) {
	fingerprint := gossh.FingerprintSHA256(signer.PublicKey())
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.keys[fingerprint] = deploy.Key{User: user, Fingerprint: fingerprint}
}

// keyFile stores a private key the way ssh wants it.
func (w *world) keyFile(name string, private crypto.PrivateKey) gossh.Signer {
	w.t.Helper()
	block, err := gossh.MarshalPrivateKey(private, name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(filepath.Join(w.dir, "key-"+name), string(pem.EncodeToMemory(block)), 0o600)
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[name] = signer
	return signer
}

// addApp makes an app whose admin anna is.
func (w *world) addApp(name deploy.AppName) {
	w.t.Helper()
	if err := w.store.CreateApp(context.Background(), deploy.App{Name: name, CreatedBy: "anna"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(path, text string, mode os.FileMode) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// sshArgs are OpenSSH's arguments to reach the server as the user.
func (w *world) sshArgs(user string) []string {
	_, port, _ := net.SplitHostPort(w.addr)
	return w.sshArgsAt(user, port, "known_hosts")
}

func (w *world) sshArgsAt(user, port, knownHosts string) []string {
	return []string{
		"-F", "/dev/null", "-p", port, "-i", filepath.Join(w.dir, "key-"+user),
		"-o", "UserKnownHostsFile=" + filepath.Join(w.dir, knownHosts), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR",
	}
}

func (w *world) url(app string) string { return "ssh://git@" + w.addr + "/" + app }

// result is how a program ended.
type result struct {
	exit int
	out  string // both streams
}

// clone is a working copy with a remote "teal".
type clone struct {
	w    *world
	dir  string
	user string
	env  []string
}

// newClone makes a repository of the user's with one commit on main.
func (w *world) newClone(user, app string) *clone {
	w.t.Helper()
	c := &clone{w: w, dir: filepath.Join(w.dir, "clone-"+user+"-"+app), user: user}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	c.git("init", "-q", "-b", "main")
	c.git("remote", "add", "teal", w.url(app))
	c.commit("Dockerfile", "FROM scratch\n")
	return c
}

// commit writes a file and commits it; it returns the commit.
func (c *clone) commit(name, text string) string {
	c.w.t.Helper()
	c.w.write(filepath.Join(c.dir, name), text, 0o644)
	c.git("add", "-A")
	c.git("commit", "-q", "-m", "change "+name)
	return c.head()
}

func (c *clone) head() string {
	c.w.t.Helper()
	return strings.TrimSpace(c.git("rev-parse", "HEAD"))
}

// git runs git and fails the test when git fails.
func (c *clone) git(args ...string) string {
	c.w.t.Helper()
	r := c.try(args...)
	if r.exit != 0 {
		c.w.t.Fatalf("git %s: exit %d\n%s", strings.Join(args, " "), r.exit, r.out)
	}
	return r.out
}

// try runs git.
func (c *clone) try(args ...string) result {
	c.w.t.Helper()
	return c.w.finish(c.command(args...))
}

func (c *clone) command(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.w.dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Anna", "GIT_AUTHOR_EMAIL=anna@example.com",
		"GIT_COMMITTER_NAME=Anna", "GIT_COMMITTER_EMAIL=anna@example.com",
		"GIT_SSH_COMMAND=" + sshCommand(c.w.sshArgs(c.user)),
	}, c.env...)
	return cmd
}

// sshCommand is how git starts OpenSSH with the arguments.
func sshCommand(args []string) string {
	return "ssh '" + strings.Join(args, "' '") + "'"
}

// ssh runs OpenSSH with a command line.
func (w *world) ssh(user string, args ...string) result {
	w.t.Helper()
	return w.finish(exec.Command("ssh", append(append(w.sshArgs(user), "git@127.0.0.1"), args...)...))
}

// finish runs a program with a deadline, and all that it started ends with it.
func (w *world) finish(cmd *exec.Cmd) result {
	w.t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	late := time.AfterFunc(3*time.Minute, func() { killGroup(cmd) })
	err := cmd.Wait()
	if !late.Stop() {
		w.t.Errorf("%v did not end:\n%s\nserver log:\n%s", cmd.Args, out.String(), w.log)
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		w.t.Fatalf("%v: %v\n%s", cmd.Args, err, out.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String()}
}

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// ref is what the app's branch points at on the server.
func (w *world) ref(app deploy.AppName, branch string) string {
	w.t.Helper()
	refs, err := w.repos.refs(context.Background(), app)
	if err != nil {
		w.t.Fatal(err)
	}
	return refs.at("refs/heads/" + branch)
}

// sound fails the test when the repository is not, or something was left behind.
func (w *world) sound(app deploy.AppName) {
	w.t.Helper()
	cmd := exec.Command("git", "fsck", "--full", "--strict")
	cmd.Dir = w.repos.path(app)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("git fsck of %s: %v\n%s", app, err, out)
	}
	w.tidy()
}

// tidy fails the test when an unfinished push left something behind.
func (w *world) tidy() {
	w.t.Helper()
	var left []string
	eventually(w.t, "nothing is left of unfinished pushes", func() bool {
		left = nil
		_ = filepath.WalkDir(w.repos.dir, func(path string, d fs.DirEntry, err error) error {
			for _, pattern := range leftovers {
				if match, _ := filepath.Match(pattern, filepath.Base(path)); match {
					left = append(left, path)
				}
			}
			return nil // what vanishes while we look is not left
		})
		return len(left) == 0
	})
	if len(left) > 0 {
		w.t.Errorf("left: %q", left)
	}
}

// leftovers are the names of what is there only while something goes on.
var leftovers = []string{
	".new-*", ".gone-*", "tmp_objdir-*", "tmp_*", ".tmp-*", "*.lock", "kept.new-*", "shallow.new-*",
}

// has fails the test when the text lacks one of the parts.
func has(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("missing %q in:\n%.3000s", part, text)
		}
	}
}

// eventually polls until the claim is true.
func eventually(t testing.TB, claim string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if check() {
			return
		}
	}
	t.Errorf("did not come true: %s", claim)
}

// lockedBuffer is a log that may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
