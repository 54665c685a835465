package gitserver

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClientThatKeepsItsSideOpenGetsItsAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	s.send(c.packFor("HEAD"))
	has(t, s.answer(), "ok refs/heads/main")
}

func TestClientThatStallsOrTricklesIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Stall = 300 * time.Millisecond }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	pack := c.packFor("HEAD")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	s.send(pack[:len(pack)/2])
	has(t, s.answer(), "less than 4 KiB were received in 300ms")
	s = w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	gone := make(chan struct{})
	go func() {
		for _, b := range pack {
			select {
			case <-gone:
				return
			case <-time.After(50 * time.Millisecond):
				s.send([]byte{b})
			}
		}
	}()
	has(t, s.answer(), "less than 4 KiB were received in 300ms")
	close(gone)
	w.tidy()
}

func TestPusherMayThinkBeforeHeSends(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	w := newWorld(t, limits(func(l *Limits) { l.Stall = stall }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	// git has read the refs, and runs the tests before it asks for anything.
	c.w.write(filepath.Join(c.dir, ".git", "hooks", "pre-push"), "#!/bin/sh\nexec sleep 1\n", 0o755)
	if r := c.try("push", "teal", "main"); r.exit != 0 {
		t.Fatalf("exit %d\n%s", r.exit, r.out)
	}
	// It has asked, and compresses the objects.
	before, tip := c.head(), c.commit("more", "x")
	s := w.dial("anna").receivePack("shop")
	s.command(before, tip, "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	<-time.After(3 * stall)
	if n := w.repos.indexPacks.taken(); n != 0 {
		t.Errorf("%d places are held by who sends nothing", n)
	}
	s.send(c.packFor(tip, "^"+before))
	has(t, s.answer(), "ok refs/heads/main")
}

func TestNothingIsSentAfterTheReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.SidebandKeepalive, l.Receive = 20*time.Millisecond, 3*time.Second }))
	w.addApp("shop")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, strings.Repeat("ab", 20), "refs/heads/other", usualCaps)
	s.send([]byte("0000")) // and the pack does not come
	out, err := io.ReadAll(s.out)
	if err != nil || !bytes.Contains(out, []byte("deploys from main")) || !bytes.HasSuffix(out, []byte("00000000")) {
		t.Errorf("%q, %v", out, err)
	}
}

func TestPushThatWaitsForOthersToBeUnpackedIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.IndexPacks = 1 }))
	w.addApp("shop")
	w.addApp("other")
	c, late := w.newClone("anna", "shop"), w.newClone("anna", "other")
	pack := c.packFor("HEAD")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	s.send(pack[:len(pack)-10])
	eventually(t, "the first push is being unpacked", func() bool { return w.repos.indexPacks.taken() == 1 })
	told := w.dial("anna").receivePack("other")
	told.command(noHash, late.head(), "refs/heads/main", usualCaps)
	told.send(append([]byte("0000"), late.packFor("HEAD")...))
	buf := make([]byte, maxPacket)
	said, _, err := readPacket(told.out, buf)
	if err != nil || !strings.Contains(string(said), "waiting for other pushes to be unpacked") {
		t.Errorf("the push that waits is told %q, %v", said, err)
	}
	s.send(pack[len(pack)-10:])
	has(t, s.answer(), "ok refs/heads/main")
	has(t, told.answer(), "ok refs/heads/main")
}

func TestDiskIsLookedAtAgainAfterTheWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.IndexPacks = 1 }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	w.repos.indexPacks.enter("bert")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, c.head(), "refs/heads/main", usualCaps)
	s.send(append([]byte("0000"), c.packFor("HEAD")...))
	s.in.Close()
	eventually(t, "the push waits", w.repos.indexPacks.crowded)
	w.repos.limits.DiskFree = 1 << 60 // what was there is taken by now
	w.repos.indexPacks.give("bert")
	has(t, s.answer(), "the server's disk is nearly full")
}

func TestWhoTricklesDoesNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	const stall = 5 * time.Second
	w := newWorld(t, limits(func(l *Limits) { l.Stall = stall }))
	w.addApp("shop")
	w.addApp("other")
	c := w.newClone("anna", "shop")
	c.commit("noise", noise(8<<20, 1))
	pack := c.packFor("HEAD")
	var said lockedBuffer
	ended := make(chan struct{})
	defer close(ended)
	for _, user := range []string{"anna", "root"} {
		s := w.dial(user).receivePack("shop")
		s.command(noHash, c.head(), "refs/heads/main", usualCaps)
		s.send([]byte("0000"))
		go func() {
			for rest := pack; len(rest) > 4096; rest = rest[4096:] {
				select {
				case <-ended:
					return
				case <-time.After(stall / 20):
					s.send(rest[:4096])
				}
			}
		}()
		go func() { _, _ = io.Copy(&said, s.out) }()
	}
	eventually(t, "both places are taken", func() bool { return w.repos.indexPacks.taken() == 2 })
	other := w.newClone("anna", "other")
	if r := other.try("push", "teal", "main"); r.exit != 0 {
		t.Errorf("exit %d\n%s", r.exit, r.out)
	}
	eventually(t, "who trickles is told", func() bool {
		return strings.Contains(said.String(), "less than 256 KiB were received in 5s while other pushes waited: push again")
	})
}

func TestFetchThatTakesNothingLosesItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Fetches, l.Stall = 1, 3*time.Second }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.commit("large", noise(8<<20, 1)) // more than an SSH channel and the pipes hold
	c.git("push", "-q", "teal", "main")
	session, err := w.dial("anna").client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, _ := session.StdinPipe()
	if _, err := session.StdoutPipe(); err != nil { // and nobody reads it
		t.Fatal(err)
	}
	if err := session.Start("git-upload-pack 'shop'"); err != nil {
		t.Fatal(err)
	}
	want := appendPacket(nil, "want "+c.head()+" ofs-delta\n")
	_, _ = in.Write(append(append(want, "0000"...), appendPacket(nil, "done\n")...))
	eventually(t, "it has the only place", func() bool { return len(w.repos.fetches) == 1 })
	c.git("clone", "-q", w.url("shop"), "copy")
}

func TestReceiveTimeIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Receive = 300 * time.Millisecond }))
	w.addApp("shop")
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, strings.Repeat("ab", 20), "refs/heads/main", usualCaps)
	s.send([]byte("0000"))
	has(t, s.answer(), "the push was not received within 300ms")
}

func TestClientThatVanishesInThePackLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	pack := c.packFor("HEAD")
	for range 5 {
		r := w.dial("anna")
		s := r.receivePack("shop")
		s.command(noHash, c.head(), "refs/heads/main", usualCaps)
		s.send([]byte("0000"))
		s.send(pack[:len(pack)-25])
		r.client.Close()
	}
	w.tidy()
	if n := len(w.engine.received()); n != 0 {
		t.Errorf("the engine got %d pushes", n)
	}
	w.stillWorks(c, "shop")
	w.sound("shop")
}
