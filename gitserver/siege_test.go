package gitserver

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// siege is a daemon of its own under attack: what a case did to its memory, its
// disk and its readiness is seen from outside.
type siege struct {
	*world
	t    *testing.T
	pid  int
	c    *clone
	tips [2]string // two commits that the daemon has: pushing one or the other adds nothing
	at   int       // which of them serves
}

// attacks are what strangers and broken clients do, with what they are told.
// An attack returns all that the server said to it.
var attacks = []struct {
	name, want string
	attack     func(s *siege) string
}{
	{"junk for a pack", "this is not a git pack", func(s *siege) string { return s.pack([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) }},
	{"no pack", "the pack ends before it begins", func(s *siege) string { return s.pack(nil) }},
	{"a header of 12 bytes that claims 2^32 objects", "the pack has 4294967295 objects, and the limit is 2000000", func(s *siege) string { return s.pack(packOf(0xffffffff)[:12]) }},
	{"a header that claims 2,000,000 objects", "early EOF", func(s *siege) string { return s.pack(packOf(2_000_000)[:12]) }},
	{"a wrong checksum", "SHA1 mismatch", func(s *siege) string {
		good := packOf(1, objectOf(3, []byte("x"), -1).pack)
		good[len(good)-1] ^= 1
		return s.pack(good)
	}},
	{"an object shorter than it says", "inflate returned 1", func(s *siege) string { return s.pack(packOf(1, objectOf(3, []byte("x"), 1<<30).pack)) }},
	{"a delta to nowhere", "pack has 1 unresolved delta", func(s *siege) string {
		return s.pack(packOf(1, deltaToNowhere()))
	}},
	{"64 MB of zeros in 64 KB", "is 64 MiB large, and the limit is 8 MiB", func(s *siege) string {
		zeros := objectOf(3, make([]byte, 64<<20), -1)
		return s.pack(packOf(1, zeros.pack))
	}},
	{"more objects than it says", "pack is corrupted (SHA1 mismatch)", func(s *siege) string {
		return s.pack(packOf(1, objectOf(3, []byte("x"), -1).pack, objectOf(3, []byte("y"), -1).pack))
	}},
	{"fewer objects than it says", "pack has bad object at offset 26", func(s *siege) string { return s.pack(packOf(9, objectOf(3, []byte("x"), -1).pack)) }},
	{"a pack cut off and broken at every percent", "unpack ", (*siege).everyPercent},
	{"a delta that makes 300 MB of 1 KB", "Out of memory, malloc failed", func(s *siege) string { return s.pack(deltaBomb()) }},
	{"a tree of 10^10 paths", "the tree has more than 200000 files and directories", func(s *siege) string {
		return s.built(explodingTree())
	}},
	{"100,000 paths of 4,000 bytes", "the paths of the tree are longer than 32 MiB together", func(s *siege) string { return s.built(longPaths()) }},
	{"one name of 7 MiB", "a path of the tree is longer than 8 KiB", func(s *siege) string { return s.built(giantName(7 << 20)) }},
	{"a tree with .git", "hasDotgit: contains '.git'", func(s *siege) string { return s.tree("40000 .git") }},
	{"a tree with ..", "hasDotdot: contains '..'", func(s *siege) string { return s.tree("40000 ..") }},
	{"10,000 refs", "more than 64 refs in one push", func(s *siege) string {
		c := s.dial("anna").receivePack("shop")
		for i := range 10_000 {
			c.command(noHash, s.tips[0], fmt.Sprintf("refs/heads/b%d", i), usualCaps)
		}
		return c.finish(nil)
	}},
	{"a request that never ends", "ERR the push's request is longer than 256 KiB", func(s *siege) string {
		c := s.dial("anna").receivePack("shop")
		for range 20_000 {
			c.send(appendPacket(nil, "shallow "+s.tips[0]))
		}
		return c.finish(nil)
	}},
	{"a ref that climbs", "not a valid branch name", func(s *siege) string { return s.update("refs/heads/../../../evil") }},
	{"a ref with a command", "deploys from main", func(s *siege) string { return s.update("refs/heads/$(id)") }},
	{"a ref with a line feed", "not a valid branch name", func(s *siege) string { return s.update("refs/heads/main\nok refs/heads/main") }},
	{"a client that stalls", "less than 4 KiB were received in 500ms", func(s *siege) string {
		c := s.begin()
		c.send(packOf(3)[:12])
		return c.answer()
	}},
	{"a client that trickles", "less than 4 KiB were received in 500ms", func(s *siege) string {
		c := s.begin()
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			for _, b := range packOf(3, []byte(strings.Repeat("x", 1000))) {
				select {
				case <-gone:
					return
				case <-time.After(20 * time.Millisecond):
					c.send([]byte{b})
				}
			}
		}()
		return c.answer()
	}},
	{"names that climb, quote and command", "", func(s *siege) string {
		for _, name := range []string{"../../etc/passwd", "--upload-pack=x", "$(id)", "a'b", "a\nb"} {
			for _, program := range []string{"git-receive-pack", "git-upload-pack", "git-upload-archive"} {
				out := s.exec(program + " '" + strings.ReplaceAll(name, "'", `'\''`) + "'")
				if !strings.Contains(out, "ERR ") {
					s.t.Errorf("%s %q: %q", program, name, out)
				}
			}
		}
		return ""
	}},
	{"an unknown verb", "there is nothing here but git", func(s *siege) string { return s.exec("rm -rf /") }},
	{"a program of another protocol", "files are not copied to here: push them with git", func(s *siege) string { return s.exec("scp -t /") }},
	{"a quote that is not closed", "the command line has a ' that is not closed", func(s *siege) string { return s.exec("git-receive-pack 'shop") }},
	{"2,000 channels", "too many sessions on this connection", func(s *siege) string {
		client, said := s.dial("anna").client, ""
		for range 2000 {
			ch, reqs, err := client.OpenChannel("session", nil)
			if err != nil {
				said = err.Error()
				continue
			}
			go gossh.DiscardRequests(reqs)
			defer ch.Close()
		}
		return said
	}},
	{"3,000 variables", "EOF", func(s *siege) string {
		session, err := s.dial("anna").client.NewSession()
		for i := 0; err == nil && i < 3000; i++ {
			_, err = session.SendRequest("env", true, gossh.Marshal(struct{ Name, Value string }{"A", strings.Repeat("x", 10_000)}))
		}
		return fmt.Sprint(err)
	}},
	{"no method, a password, questions", "unable to authenticate", func(s *siege) string {
		return s.login() + s.login(gossh.Password("x")) + s.login(gossh.KeyboardInteractive(
			func(string, string, []string, []bool) ([]string, error) { return nil, nil }))
	}},
	{"a key that is offered and not proven", "handshake failed", func(s *siege) string {
		return s.login(gossh.PublicKeys(lyingSigner{s.keys["anna"].PublicKey(), s.keys["bert"]}))
	}},
	{"300 connections that say nothing", "", func(s *siege) string {
		for range 300 {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				s.t.Error(err)
				continue
			}
			defer c.Close()
		}
		return s.nextPush()
	}},
}

// pack pushes a pack that will not do. The tip is a commit that the daemon has,
// so that the pack is all that there is to refuse.
func (s *siege) pack(pack []byte) string {
	c := s.dial("anna").receivePack("shop")
	c.command(s.tips[s.at], s.tips[1-s.at], "refs/heads/main", usualCaps)
	out := c.finish(pack)
	s.refused(out)
	return out
}

// built pushes a whole commit, whose tree is read for its build.
func (s *siege) built(tip string, pack []byte) string {
	c := s.dial("anna").receivePack("shop")
	c.command(s.tips[s.at], tip, "refs/heads/main", usualCaps)
	return c.finish(pack)
}

// refused fails the test unless the pack itself was refused.
func (s *siege) refused(out string) {
	s.t.Helper()
	for _, not := range []string{"unpack ok", "ok refs/heads/main", "is missing", "teal failed"} {
		if strings.Contains(out, not) {
			s.t.Errorf("the pack was not refused for what it is: %q", out)
		}
	}
	has(s.t, out, "unpack ", "ng refs/heads/main ")
}

// everyPercent sends a good pack of a new commit cut off, and with one bit
// wrong, at every percent: if one were taken, its commit would serve.
func (s *siege) everyPercent() (out string) {
	tip := s.c.commit("percent", "x")
	defer s.c.git("reset", "-q", "--hard", s.tips[1])
	good := s.c.packFor("HEAD")
	client := s.dial("anna")
	for percent := range 100 {
		at := len(good) * percent / 100
		broken := bytes.Clone(good)
		broken[at] ^= 0x10
		for _, pack := range [][]byte{good[:at], broken} {
			c := client.receivePack("shop")
			c.command(s.tips[s.at], tip, "refs/heads/main", usualCaps)
			out = c.finish(pack)
			s.refused(out)
			c.session.Close()
		}
	}
	return out
}

// begin begins a push and leaves its pack to the caller.
func (s *siege) begin() *conversation {
	c := s.dial("anna").receivePack("shop")
	c.command(s.tips[s.at], s.tips[1-s.at], "refs/heads/main", usualCaps)
	c.send([]byte("0000"))
	return c
}

// tree pushes a commit whose tree has a directory of that name.
func (s *siege) tree(entry string) string {
	blob := objectOf(3, []byte("x"), -1)
	inner := treeOf("100644 config", blob.id)
	tree := treeOf(entry, inner.id)
	commit := commitOf(tree.id)
	c := s.dial("anna").receivePack("shop")
	c.command(s.tips[s.at], commit.id, "refs/heads/main", usualCaps)
	return c.finish(packOf(4, blob.pack, inner.pack, tree.pack, commit.pack))
}

// update asks for a ref to be set to a commit that is there.
func (s *siege) update(ref string) string {
	c := s.dial("anna").receivePack("shop")
	c.command(noHash, s.tips[0], ref, usualCaps)
	return c.finish(emptyPack())
}

func (s *siege) exec(line string) string {
	session, err := s.dial("anna").client.NewSession()
	if err != nil {
		return err.Error()
	}
	out, err := session.CombinedOutput(line)
	if err == nil {
		s.t.Errorf("%q was done", line)
	}
	return string(out)
}

func (s *siege) login(methods ...gossh.AuthMethod) string {
	config := s.clientConfig("anna")
	config.Auth = methods
	client, err := gossh.Dial("tcp", s.addr, config)
	if err != nil {
		return err.Error()
	}
	client.Close()
	s.t.Error("the door is open")
	return ""
}

// nextPush makes the other one of the two commits serve.
func (s *siege) nextPush() string {
	c := s.dial("anna").receivePack("shop")
	c.command(s.tips[s.at], s.tips[1-s.at], "refs/heads/main", usualCaps)
	out := c.finish(emptyPack())
	if !strings.Contains(out, "ok refs/heads/main") || s.ref("shop", "main") != s.tips[1-s.at] {
		s.t.Errorf("the next push: %q", out)
	}
	s.at = 1 - s.at
	return out
}

// disk lists what the repositories hold: every path, with its size, and for the
// branch what it names.
func (s *siege) disk() string {
	var b strings.Builder
	err := filepath.WalkDir(s.repos.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&b, path, info.Size())
		} else if err == nil {
			fmt.Fprintln(&b, path)
		}
		return err
	})
	if err != nil {
		return err.Error() // something vanished in between: look again
	}
	return b.String()
}

// ease makes the daemon's peak of memory begin anew.
func (s *siege) ease() int64 {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0); err != nil {
		s.t.Fatal(err)
	}
	return residentPeak(s.t, s.pid)
}

// watchChildren looks at the memory of the daemon's children until it is
// stopped, and then gives the most that one of them had.
func (s *siege) watchChildren() (stop func() int64) {
	done, ended := make(chan struct{}), make(chan struct{})
	var most int64
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, pid := range childrenOf(s.pid) {
				// Until it runs git, a child shows its parent's memory.
				if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "git\n" {
					most = max(most, statusOf(pid, "RssAnon:"))
				}
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(done); <-ended; return most }
}

func TestAttackedDaemonLivesWithFlatMemoryAndItsDiskAsBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	w.stop()
	cmd := w.startDaemon(c, daemonDir+`_LIMITS={"DiskFree":1,"Object":8388608,"Stall":500000000,"Quiet":200000000,"GitMemory":201326592,"PenaltyThreshold":3600000000000}`,
		daemonDir+"_BUILD=1")
	s := &siege{world: w, t: t, pid: cmd.Process.Pid, c: c}
	s.tips[0] = c.head()
	c.git("push", "-q", "teal", "main")
	for i := range 20 { // for a pack with something in it
		w.write(filepath.Join(c.dir, fmt.Sprint("f", i)), strings.Repeat(fmt.Sprint(i), 500), 0o644)
	}
	s.tips[1] = c.commit("second", "2")
	c.git("push", "-q", "teal", "main")
	s.at = 1
	s.nextPush() // whatever a first push of this kind makes is there now
	s.nextPush()
	if err := w.repos.mark("shop"); err != nil { // from here on there is one pack
		t.Fatal(err)
	}
	eventually(t, "the repository is cleaned up", func() bool { return !w.repos.marked("shop") })
	for _, a := range attacks {
		disk, memory, children := s.disk(), s.ease(), s.watchChildren()
		if a.want == "" {
			a.attack(s)
		} else {
			has(t, a.attack(s), a.want)
		}
		if most := children(); most > gitMemory {
			t.Errorf("%s: a child of the daemon's had %d MB", a.name, most>>20)
		}
		eventually(t, "after "+a.name+" the disk is as before", func() bool { return s.disk() == disk })
		if grown := residentPeak(t, s.pid) - memory; grown > attackMemory {
			t.Errorf("%s: the daemon's memory grew by %d MB", a.name, grown>>20)
		}
		for s.nextPush(); s.at != 1; s.nextPush() {
		}
	}
	c.commit("works", "x")
	c.git("push", "-q", "teal", "main")
	w.sound("shop")
}

// attackMemory is what a daemon may grow by while it is attacked. The race
// detector takes several times of what the program does. gitMemory is what a
// child may have: its limit.
const (
	attackMemory = 64 << 20
	gitMemory    = 192 << 20
)
