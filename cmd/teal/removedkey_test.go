package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemovedKeysAndUsersLoseTheirLiveSessions: a session that was begun with a
// key ends when the key is removed, or its user is.
func TestRemovedKeysAndUsersLoseTheirLiveSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addUser("carl", "--create")
	fingerprint := strings.Fields(w.run("ssh-keygen", "-l", "-f", filepath.Join(w.dir, "key-anna.pub")).exits(0).out)[1]
	for user, removal := range map[string][]string{
		"anna": {"keys", "remove", "--user", "anna", fingerprint},
		"carl": {"users", "remove", "carl"},
	} {
		session, bystander := w.startPushByHand(t, user), w.startPushByHand(t, "root")
		w.command(t, "root", removal...).exits(0)
		session.end().exits(255)
		if !bystander.running() {
			t.Errorf("root's session ended with the one of %s", user)
		}
		bystander.kill()
		w.command(t, user, "whoami").exits(255).says("Permission denied (publickey)")
	}
}

// startPushByHand begins a push that goes no further than the server's first words.
func (w *world) startPushByHand(t *testing.T, user string) *proc {
	t.Helper()
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); hold.Close() })
	argv := append(w.sshWords(user), hostOf(w.ssh), "git-receive-pack", "'"+user+"s'")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = w.env, in
	p := startProc(t, cmd)
	p.sees("report-status")
	return p
}
