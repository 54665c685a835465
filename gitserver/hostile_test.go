package gitserver

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// object is one entry of a pack, and its name.
type object struct {
	id   string
	pack []byte
}

// objectOf makes an object of type 1 (commit), 2 (tree) or 3 (blob). claimed is
// the size in its header; below 0: the true one.
func objectOf(kind int, body []byte, claimed int) object {
	names := map[int]string{1: "commit", 2: "tree", 3: "blob"}
	sum := sha1.Sum(append(fmt.Appendf(nil, "%s %d\x00", names[kind], len(body)), body...))
	if claimed < 0 {
		claimed = len(body)
	}
	head := []byte{byte(kind<<4 | claimed&15)}
	for n := claimed >> 4; n > 0; n >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(n&0x7f))
	}
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	_, _ = zw.Write(body)
	zw.Close()
	return object{hex.EncodeToString(sum[:]), append(head, z.Bytes()...)}
}

// deltaToNowhere is a delta, right in itself, to an object that nobody has.
func deltaToNowhere() []byte {
	delta := []byte{1, 1, 1, 'x'} // of 1 byte makes 1 byte: an "x"
	o := objectOf(7, delta, -1).pack
	return append(append(o[:1:1], bytes.Repeat([]byte{0xee}, sha1.Size)...), o[1:]...)
}

// treeOf makes a tree of entries "<mode> <name>" → object.
func treeOf(entries ...any) object {
	var b bytes.Buffer
	for i := 0; i < len(entries); i += 2 {
		id, _ := hex.DecodeString(entries[i+1].(string))
		fmt.Fprintf(&b, "%s\x00%s", entries[i], id)
	}
	return objectOf(2, b.Bytes(), -1)
}

func commitOf(tree string, parents ...string) object {
	text := "tree " + tree + "\n"
	for _, p := range parents {
		text += "parent " + p + "\n"
	}
	return objectOf(1, []byte(text+"author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nx\n"), -1)
}

// pushRaw sends one command with a pack, by hand.
func (w *world) pushRaw(tip, ref string, pack []byte) string {
	w.t.Helper()
	s := w.dial("anna").receivePack("shop")
	s.command(noHash, tip, ref, usualCaps)
	return s.finish(pack)
}

func TestMalformedPacksAreRefusedWithTheirFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	blob := objectOf(3, []byte("FROM scratch\n"), -1)
	tree := treeOf("100644 Dockerfile", blob.id)
	commit := commitOf(tree.id)
	good := packOf(3, blob.pack, tree.pack, commit.pack)
	short := objectOf(3, []byte("FROM scratch\n"), 5000)
	badSum := bytes.Clone(good)
	badSum[len(badSum)-1] ^= 1
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x40
	missing := strings.Repeat("ab", 20)
	orphan := commitOf(missing)
	child := commitOf(tree.id, missing)
	lacking := treeOf("100644 Dockerfile", missing)
	ofLacking := commitOf(lacking.id)

	rows := []struct {
		name, tip, want string
		pack            []byte
	}{
		{"nothing", commit.id, "the pack ends before it begins", nil},
		{"junk", commit.id, "this is not a git pack", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"version 9", commit.id, "this is not a git pack", append([]byte("PACK\x00\x00\x00\x09"), good[8:]...)},
		{"4294967295 objects", commit.id, "the pack has 4294967295 objects, and the limit is 2000000", packOf(0xffffffff)},
		{"more objects than claimed", commit.id, "pack is corrupted (SHA1 mismatch)", packOf(2, blob.pack, tree.pack, commit.pack)},
		{"fewer objects than claimed", commit.id, "pack has bad object at offset ", packOf(9, blob.pack, tree.pack, commit.pack)},
		{"wrong checksum", commit.id, "SHA1 mismatch", badSum},
		{"one bit wrong", commit.id, "inflate: data stream error", flipped},
		{"object shorter than it says", commit.id, "inflate returned 1", packOf(3, short.pack, tree.pack, commit.pack)},
		{"delta to nowhere", commit.id, "pack has 1 unresolved delta", packOf(1, deltaToNowhere())},
		{"empty pack with a wrong checksum", commit.id, "the pack's checksum is wrong", append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"), make([]byte, 20)...)},
		{"tip that was not sent", commit.id, "the push is incomplete: " + commit.id + " is missing", emptyPack()},
		{"tree that was not sent", orphan.id, missing, packOf(1, orphan.pack)},
		{"parent that was not sent", child.id, missing, packOf(3, blob.pack, tree.pack, child.pack)},
		{"file that was not sent", ofLacking.id, missing, packOf(2, lacking.pack, ofLacking.pack)},
		{"blob as the branch's tip", blob.id, "is a blob, not a commit", packOf(1, blob.pack)},
		{"tree as the branch's tip", tree.id, "is a tree, not a commit", packOf(2, blob.pack, tree.pack)},
	}
	for _, row := range rows {
		out := w.pushRaw(row.tip, "refs/heads/main", row.pack)
		if !strings.Contains(out, row.want) || !strings.Contains(out, "ng refs/heads/main ") {
			t.Errorf("%s: the answer is %q, want %q", row.name, out, row.want)
		}
	}
	if n := len(w.engine.received()); n != 0 {
		t.Errorf("the engine got %d pushes", n)
	}
	if left, _ := filepath.Glob(filepath.Join(w.repos.path("shop"), "objects", "*", "*")); len(left) != 0 {
		t.Errorf("objects were stored: %v", left)
	}
	w.tidy()
	has(t, w.pushRaw(commit.id, "refs/heads/main", good), "ok refs/heads/main")
	w.sound("shop")
}

func TestTreesThatWouldEscapeAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	blob := objectOf(3, []byte("x"), -1)
	for _, row := range []struct {
		want string
		tree object
	}{
		{"hasDotgit: contains '.git'", treeOf("40000 .git", treeOf("100644 config", blob.id).id)},
		{"hasDotdot: contains '..'", treeOf("100644 ..", blob.id)},
		{"hasDot: contains '.'", treeOf("100644 .", blob.id)},
		{"fullPathname: contains full pathnames", treeOf("100644 ../../etc/cron.d/x", blob.id)},
		{"fullPathname: contains full pathnames", treeOf("100644 a/b", blob.id)},
		{"duplicateEntries: contains duplicate file entries", treeOf("100644 a", blob.id, "100644 a", blob.id)},
		{"hasDotgit: contains '.git'", treeOf("100644 .GIT", blob.id)},
		{"gitmodulesSymlink: .gitmodules is a symbolic link", treeOf("120000 .gitmodules", blob.id)},
	} {
		inner := treeOf("100644 config", blob.id)
		commit := commitOf(row.tree.id)
		out := w.pushRaw(commit.id, "refs/heads/main", packOf(4, blob.pack, inner.pack, row.tree.pack, commit.pack))
		has(t, out, "unpack object "+row.tree.id+": "+row.want, "ng refs/heads/main ")
	}
	if n := len(w.engine.received()); n != 0 {
		t.Errorf("the engine got %d pushes", n)
	}
}

func TestJunkAfterAPackIsNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	pack := c.packFor("HEAD")
	junk := noise(1<<20, 7)
	has(t, w.pushRaw(c.head(), "refs/heads/main", append(bytes.Clone(pack), junk...)), "unpack ok", "ok refs/heads/main")
	held := int64(0)
	err := filepath.WalkDir(w.repos.path("shop"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if held += int64(len(text)); bytes.Contains(text, []byte(junk[:64])) {
			t.Errorf("%s holds the junk", path)
		}
		return err
	})
	if err != nil || held > 100<<10 {
		t.Errorf("the repository holds %d bytes after a pack of %d, %v", held, len(pack), err)
	}
	w.sound("shop")
	w.stillWorks(c, "shop")
}

func TestEvilRefNamesAreRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	blob := objectOf(3, []byte("x"), -1)
	tree := treeOf("100644 f", blob.id)
	commit := commitOf(tree.id)
	pack := packOf(3, blob.pack, tree.pack, commit.pack)
	for _, ref := range []string{
		"refs/heads/../../../../evil", "refs/heads/x.lock", "refs/heads/main x", "refs/heads/main\nok refs/heads/main",
		"refs/heads/$(id)\x07", "refs/heads/-x", "refs/heads/", "refs/heads/a..b", "refs/heads/a\\b",
		"HEAD", "main", "refs/remotes/x/main", "config", "objects/info/alternates", "refs/heads/" + strings.Repeat("x", 2000),
	} {
		out := w.pushRaw(commit.id, ref, pack)
		if strings.Contains(out, "\nok ") || !strings.Contains(out, "not a valid branch name") && !strings.Contains(out, "deploys from") {
			t.Errorf("ref %.80q: %q", ref, out)
		}
	}
	if n := len(w.engine.received()); n != 0 {
		t.Errorf("the engine got %d pushes", n)
	}
}

func TestRequestsBeyondTheLimitsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	tip := strings.Repeat("ab", 20)
	for _, row := range []struct {
		name, want string
		send       func(s *conversation)
	}{
		{"10,000 refs", "more than 64 refs in one push", func(s *conversation) {
			for i := range 10_000 {
				s.command(noHash, tip, fmt.Sprintf("refs/heads/b%d", i), usualCaps)
			}
		}},
		{"a long request", "ERR the push's request is longer than 256 KiB", func(s *conversation) {
			for range 6000 {
				s.send(appendPacket(nil, "shallow "+tip))
			}
		}},
		{"33 options", "a push takes at most 32 options", func(s *conversation) {
			s.command(noHash, tip, "refs/heads/main", usualCaps+" push-options")
			s.send([]byte("0000"))
			for range 33 {
				s.send(appendPacket(nil, "no-cache"))
			}
		}},
		{"no pkt-line", "ERR this is not a git push", func(s *conversation) { s.send([]byte("zzzz")) }},
		{"a pkt-line of 3 bytes", "ERR this is not a git push", func(s *conversation) { s.send([]byte("0003")) }},
		{"a short line", "ERR not a ref update", func(s *conversation) { s.send(appendPacket(nil, "hello")) }},
		{"upper case object names", "not a ref update", func(s *conversation) {
			s.command(noHash, strings.ToUpper(tip), "refs/heads/main", usualCaps)
		}},
		{"a signed push", "ERR signed pushes are not taken", func(s *conversation) { s.send(appendPacket(nil, "push-cert\x00x")) }},
		{"sha256", "ERR the repository has sha256 object names", func(s *conversation) {
			s.command(noHash, tip, "refs/heads/main", "object-format=sha256")
		}},
		{"a deletion of nothing", "there is no refs/heads/x to delete", func(s *conversation) {
			s.command(noHash, noHash, "refs/heads/x", usualCaps)
		}},
		{"an end in the middle", "ERR the push ends in the middle", func(s *conversation) {
			s.send([]byte("00"))
			s.in.Close()
		}},
	} {
		s := w.dial("anna").receivePack("shop")
		row.send(s)
		if out := s.finish(nil); !strings.Contains(out, row.want) {
			t.Errorf("%s: %q, want %q", row.name, out, row.want)
		}
	}
}

func TestPackBeyondTheLimitsIsRefusedWithTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Pack, l.Object = 1<<20, 256<<10 }))
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.commit("large", strings.Repeat("0", 300<<10))
	has(t, c.try("push", "teal", "main").out, "is 300 KiB large, and the limit is 256 KiB")
	c.git("reset", "-q", "--hard", "HEAD~1")
	for i := range 8 {
		c.w.write(filepath.Join(c.dir, fmt.Sprint("noise", i)), noise(200<<10, i), 0o644)
	}
	c.commit("x", "x")
	has(t, c.try("push", "teal", "main").out, "the pack is larger than 1 MiB")
	if n := len(w.engine.received()); n != 0 {
		t.Errorf("the engine got %d pushes", n)
	}
	c.git("reset", "-q", "--hard", "HEAD~1")
	w.stillWorks(c, "shop")
	w.sound("shop")
}

// noise is text that does not compress.
func noise(n, seed int) string {
	var b strings.Builder
	sum := sha1.Sum(fmt.Append(nil, seed))
	for b.Len() < n {
		sum = sha1.Sum(sum[:])
		b.Write(sum[:])
	}
	return b.String()
}

func TestFullDiskRefusesBeforeThePackIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.DiskFree = 1 << 60 }))
	w.addApp("shop")
	has(t, w.newClone("anna", "shop").try("push", "teal", "main").out, "the server's disk is nearly full")
}

func TestTreeThatExplodesIsRefusedAtTheBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	tip, pack := explodingTree()
	has(t, w.pushRaw(tip, "refs/heads/main", pack), "ok refs/heads/main")
	src, err := w.repos.Source(t.Context(), "shop", tip)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Files(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 200000 files and directories") {
		t.Errorf("Files: %v", err)
	}
	if err := src.Tar(t.Context(), &bytes.Buffer{}, nil); err == nil {
		t.Error("a tar was written")
	}
}

func TestNamesOfRepositoriesNeverReachAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{
		"/../../etc/passwd", "app;id", "--upload-pack=x", "$(id)", "a b", "..", "/", "", "shop.git/objects", "SHOP", "a'b", strings.Repeat("x", 5000),
	} {
		for _, program := range []string{"git-receive-pack", "git-upload-pack", "git-upload-archive"} {
			s, err := w.dial("root").client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Output(program + " '" + strings.ReplaceAll(name, "'", `'\''`) + "'")
			if err == nil || !strings.Contains(string(out), "ERR ") {
				t.Errorf("%s %q: %q, %v", program, name, out, err)
			}
		}
	}
}
