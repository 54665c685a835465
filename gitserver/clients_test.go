package gitserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// through pushes and clones with a program in ssh's place.
func (w *world) through(command string) {
	w.t.Helper()
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	use := func() {
		c.env = []string{"GIT_SSH_COMMAND=" + command, "GIT_SSH_VARIANT=simple"}
		if strings.Contains(command, "plink") {
			c.env[1] = "GIT_SSH_VARIANT=plink"
		}
	}
	host, _, _ := net.SplitHostPort(w.addr)
	c.git("remote", "set-url", "teal", "git@"+host+":shop")
	use()
	has(w.t, c.git("push", "teal", "main"), "✓ shop v1 is live on blue")
	c.commit("more", noise(1<<20, 3))
	c.git("push", "-q", "teal", "main")
	c.git("clone", "-q", "git@"+host+":shop", "copy")
	if got := strings.TrimSpace(c.git("-C", "copy", "rev-parse", "HEAD")); got != c.head() {
		w.t.Errorf("the clone is at %s, want %s", got, c.head())
	}
	has(w.t, c.try("push", "teal", "main:feature").out, "(shop deploys from main: git push teal feature:main)")
}

func TestDropbear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, port, _ := net.SplitHostPort(w.addr)
	key := filepath.Join(w.dir, "dropbear-key")
	if out, err := exec.Command("dropbearconvert", "openssh", "dropbear", filepath.Join(w.dir, "key-anna"), key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.through("dbclient -y -y -p " + port + " -i " + key)
}

func TestPlink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, port, _ := net.SplitHostPort(w.addr)
	key := filepath.Join(w.dir, "putty.ppk")
	if out, err := exec.Command("puttygen", filepath.Join(w.dir, "key-anna"), "-o", key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.through(fmt.Sprintf("plink -batch -P %s -i %s -hostkey %s", port, key, w.server.HostFingerprints()[0]))
}

// python runs a script against the server; it gets host, port, key, repository.
func (w *world) python(c *clone, script string) string {
	w.t.Helper()
	host, port, _ := net.SplitHostPort(w.addr)
	cmd := exec.Command("/usr/bin/python3", "-c", script, host, port, filepath.Join(w.dir, "key-anna"), c.dir)
	cmd.Env = append(os.Environ(), "HOME="+w.dir)
	r := w.finish(cmd)
	if r.exit != 0 {
		w.t.Fatalf("exit %d\n%s", r.exit, r.out)
	}
	return r.out
}

func TestDulwichOverParamiko(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	w.python(c, `
import sys
from dulwich import porcelain
from dulwich import client
from dulwich.contrib.paramiko_vendor import ParamikoSSHVendor
host, port, key, repo = sys.argv[1:]
client.get_ssh_vendor = lambda: ParamikoSSHVendor(key_filename=key, look_for_keys=False, allow_agent=False)
url = "ssh://git@%s:%s/shop" % (host, port)
porcelain.push(repo, url, "main")
copy = porcelain.clone(url, repo + "-copy")
assert copy.head() == porcelain.open_repo(repo).head(), copy.head()
`)
	if w.ref("shop", "main") != c.head() {
		t.Error("the ref did not move")
	}
}

func TestParamikoRunsCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(_ context.Context, s Session) int {
		fmt.Fprintln(s.Stdout, s.User, s.Args)
		return 7
	}))
	c := w.newClone("anna", "shop")
	has(t, w.python(c, `
import sys, paramiko
host, port, key, repo = sys.argv[1:]
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect(host, int(port), "git", key_filename=key, look_for_keys=False, allow_agent=False)
i, o, e = c.exec_command("ps shop")
print(o.read().decode(), o.channel.recv_exit_status())
`), "anna [ps shop]", "7")
}

func TestLibgit2(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	// libgit2 wants the public key too.
	c := w.newClone("anna", "shop")
	w.write(filepath.Join(w.dir, "key-anna.pub"), string(gossh.MarshalAuthorizedKey(w.keys["anna"].PublicKey())), 0o600)
	w.python(c, `
import sys, pygit2
host, port, key, repo = sys.argv[1:]
class Callbacks(pygit2.RemoteCallbacks):
    def credentials(self, url, user, allowed):
        return pygit2.Keypair("git", key + ".pub", key, "")
    def certificate_check(self, certificate, valid, host):
        return True
    def push_update_reference(self, ref, message):
        assert message is None, message
r = pygit2.Repository(repo)
r.remotes["teal"].push(["refs/heads/main:refs/heads/main"], callbacks=Callbacks())
copy = pygit2.clone_repository(r.remotes["teal"].url, repo + "-copy", callbacks=Callbacks())
assert copy.head.target == r.head.target
`)
	if w.ref("shop", "main") != c.head() {
		t.Error("the ref did not move")
	}
}

func TestSSHAuditFindsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, port, _ := net.SplitHostPort(w.addr)
	r := w.finish(exec.Command("ssh-audit", "-n", "-p", port, "127.0.0.1"))
	has(t, r.out, "kex-strict-s-v00@openssh.com")
	for line := range strings.SplitSeq(r.out, "\n") {
		// Newer than the auditor, and the MACs that libgit2 needs.
		known := strings.Contains(line, "unknown algorithm") || strings.Contains(line, "using encrypt-and-MAC mode")
		if !known && (strings.Contains(line, "[fail]") || strings.Contains(line, "[warn]")) {
			t.Error(line)
		}
	}
}

// TestEachAlgorithmIsOfferedAndWorksAlone holds the offer: whoever takes one
// away shuts out the clients that know no other.
func TestEachAlgorithmIsOfferedAndWorksAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	only := func(exchange, cipher, mac string) {
		t.Helper()
		config := w.clientConfig("anna")
		config.KeyExchanges, config.Ciphers, config.MACs = []string{exchange}, []string{cipher}, []string{mac}
		client, err := gossh.Dial("tcp", w.addr, config)
		if err != nil {
			t.Errorf("%s, %s, %s: %v", exchange, cipher, mac, err)
			return
		}
		client.Close()
	}
	for _, exchange := range []string{"mlkem768x25519-sha256", "curve25519-sha256", "diffie-hellman-group16-sha512"} {
		only(exchange, "aes256-gcm@openssh.com", "hmac-sha2-256")
	}
	for _, cipher := range []string{
		"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr",
	} {
		only("curve25519-sha256", cipher, "hmac-sha2-256-etm@openssh.com")
	}
	for _, mac := range []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"} {
		only("curve25519-sha256", "aes256-ctr", mac)
	}
}
