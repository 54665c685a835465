package gitserver

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A person at a terminal types "ssh host": OpenSSH asks for a terminal there by
// itself, says that it got none, and goes on. With -t and a command it ends.
func TestTerminalIsRefusedAndTheClientSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(_ context.Context, s Session) int {
		fmt.Fprintf(s.Stdout, "hello %s %q\n", s.User, s.Args)
		return 0
	}))
	person := func(words ...string) result {
		line := sshCommand(append(append(w.sshArgs("anna"), "git@127.0.0.1"), words...))
		return w.finish(exec.Command("script", "-qec", line, "/dev/null"))
	}
	const refused = "PTY allocation request failed on channel 0"
	if r := person(); r.exit != 0 {
		t.Errorf("a shell: exit %d\n%s", r.exit, r.out)
	} else {
		has(t, r.out, refused, "hello anna []")
	}
	if r := person("apps"); r.exit != 0 || strings.Contains(r.out, refused) {
		t.Errorf("a command: exit %d\n%s", r.exit, r.out)
	}
	if r := person("-t", "apps"); r.exit != 255 || strings.Contains(r.out, "hello") {
		t.Errorf("a command with a terminal: exit %d\n%s", r.exit, r.out)
	} else {
		has(t, r.out, refused)
	}
}
