package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"teal/store"
)

// world is one installation of Teal: the real binary with its own data
// directory, ports and range of networks, and the people who use it.
type world struct {
	t    *testing.T
	bin  string
	dir  string // of everything: data, keys, work trees
	data string
	args []string // of teal serve
	env  []string

	http, preview, ssh, console, metrics string // addresses
	client                               *http.Client

	leave  func() error // takes the installation off the ledger
	daemon *proc
	logs   []*screen // of each daemon, oldest first
}

// people are the users of every world. anna may create apps; bert may not; root
// may everything.
var people = map[string][]string{
	"anna": {"--create", "--email", "anna@example.org"},
	"bert": {"--email", "bert@example.org"},
	"root": {"--admin", "--email", "root@example.org"},
}

var worlds, hosts atomic.Int32

// newWorld makes an installation and starts its daemon. At the end of the test
// its apps are destroyed, and nothing of them may be left in the Engine.
func newWorld(t *testing.T, args ...string) *world {
	t.Helper()
	w := makeWorld(t, tealBin, args...)
	w.start()
	return w
}

// makeWorld makes an installation without starting its daemon.
func makeWorld(t *testing.T, bin string, args ...string) *world {
	t.Helper()
	w := &world{t: t, bin: bin, dir: t.TempDir()}
	w.data = filepath.Join(w.dir, "data")
	host := ownHost()
	w.http, w.preview, w.ssh, w.console, w.metrics = host+":8080", host+":8888", host+":2222", host+":3000", host+":9180"
	home := filepath.Join(w.dir, "home")
	for _, dir := range []string{w.data, home} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"ed25519", "rsa"} {
		name := "ssh_host_" + kind + "_key"
		key, err := os.ReadFile(filepath.Join(hostKeys, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(w.data, name), string(key), 0o600)
	}
	writeFile(t, filepath.Join(w.dir, "teal.toml"), "# that of the machine is not the test's\n", 0o600)
	w.env = append(os.Environ(), "HOME="+home, "TEAL_CONFIG="+filepath.Join(w.dir, "teal.toml"))
	// A range of its own: /20, room for 64 apps.
	n := worlds.Add(1)
	w.args = append([]string{
		"serve", "--data", w.data, "--http", w.http, "--preview", w.preview, "--ssh", w.ssh, "--console", w.console, "--metrics", w.metrics,
		"--subnets", fmt.Sprintf("10.%d.%d.0/20", 120+os.Getpid()%80, 16*(n%16)), "--patch-schedule", "off", "--max-builds", "4",
	}, args...)
	w.client = &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: w.dial, MaxIdleConnsPerHost: 200}}
	t.Cleanup(w.close)
	for name, args := range people {
		w.addUser(name, args...)
	}
	leave, err := enter(w.namespace(), w.data)
	if err != nil {
		t.Fatal(err)
	}
	w.leave = leave
	return w
}

// dial leads every host name to the front-end whose port is asked for.
func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	to := w.http
	if _, port, _ := net.SplitHostPort(addr); port == portOf(w.preview) {
		to = w.preview
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

func (w *world) addUser(name string, args ...string) {
	w.t.Helper()
	key := filepath.Join(w.dir, "key-"+name)
	w.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key).exits(0)
	add := append([]string{"user", "add", name, "--key", key + ".pub", "--data", w.data}, args...)
	w.run(w.bin, add...).exits(0).says(name + " may log in with SHA256:")
}

// run runs a program on the machine where Teal is.
func (w *world) run(name string, args ...string) result {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = w.env
	return startProc(w.t, cmd).end()
}

// launch starts a daemon without waiting for it.
func (w *world) launch() {
	w.t.Helper()
	cmd := exec.Command(w.bin, w.args...)
	cmd.Env = w.env
	w.daemon = launchProc(w.t, cmd)
	w.logs = append(w.logs, w.daemon.out)
}

// start starts the daemon and waits until it is ready.
func (w *world) start() {
	w.t.Helper()
	w.launch()
	w.daemon.sees("Teal is ready")
}

// stop ends the daemon as systemd does, and checks that it ends well.
func (w *world) stop() time.Duration {
	w.t.Helper()
	began := time.Now()
	w.daemon.signal(syscall.SIGTERM)
	w.daemon.end().exits(0)
	return time.Since(began)
}

// kill ends the daemon as a power cut does.
func (w *world) kill() {
	w.t.Helper()
	w.daemon.kill()
	w.client.CloseIdleConnections()
}

// stopMost is how long the daemon may take to end: what it waits for has limits
// of its own, which together come near to it on a machine that has no time left.
const stopMost = time.Minute

// close destroys all apps and checks that nothing of them is left.
func (w *world) close() {
	defer w.tell()
	defer w.client.CloseIdleConnections()
	namespace := w.namespace()
	defer w.leaveNothing(namespace)
	if w.daemon == nil || !w.daemon.running() {
		if w.daemon != nil && !w.t.Failed() {
			w.t.Error("the daemon does not run any more")
		}
		return
	}
	defer w.daemon.kill()
	w.destroyAll()
	took := w.stop()
	if took > stopMost {
		w.t.Errorf("the daemon took %v to end", took)
	}
	for _, left := range leftovers(w.t, namespace) {
		w.t.Errorf("left in the Engine: %s", left)
	}
}

// leaveNothing removes what a test that failed has left.
func (w *world) leaveNothing(namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := sweep(ctx, namespace); err != nil {
		w.t.Error(err)
	}
	if w.leave != nil {
		if err := w.leave(); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) destroyAll() {
	var doc struct{ Apps []struct{ Name string } }
	w.document(w.t, &doc, "apps", "--json")
	for _, app := range doc.Apps {
		w.command(w.t, "root", "destroy", app.Name, app.Name).exits(0).says("Destroyed " + app.Name)
	}
}

// tell checks the daemons' logs for what must never happen, and prints them
// when the test failed.
func (w *world) tell() {
	for i, log := range w.logs {
		text := log.String()
		for _, bad := range []string{"DATA RACE", "panic", "goroutine 1 ["} {
			if at := strings.Index(text, bad); at >= 0 {
				w.t.Errorf("daemon %d: %s:\n%s", i+1, bad, text[max(0, at-200):min(len(text), at+4000)])
			}
		}
		if w.t.Failed() {
			w.t.Logf("log of daemon %d:\n%s", i+1, text)
		}
	}
}

// namespace is what the labels of the installation's containers say.
func (w *world) namespace() (id string) {
	w.t.Helper()
	w.withStore(func(ctx context.Context, db *store.DB) (err error) {
		id, err = db.InstallationID(ctx)
		return err
	})
	return id
}

// withStore opens the database beside the daemon.
func (w *world) withStore(do func(ctx context.Context, db *store.DB) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := store.Open(ctx, store.Config{Dir: w.data, Shared: true})
	if err == nil {
		err = errors.Join(do(ctx, db), db.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ownHost gives a loopback address that nobody else has: what listens there can
// be restarted without fear for its ports.
func ownHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()%128, 1+os.Getpid()/128%250, hosts.Add(1))
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func writeFile(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
