package gitserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryKindOfPushThatGitKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	for i := range 30 {
		c.w.write(filepath.Join(c.dir, "src", fmt.Sprint(i)), strings.Repeat(fmt.Sprintf("line %d\n", i), 200), 0o644)
	}
	c.commit("README", "all")
	pushes := 0
	push := func(args ...string) {
		t.Helper()
		r := c.try(append([]string{"push"}, args...)...)
		pushes++
		if r.exit != 0 || len(w.engine.received()) != pushes || w.ref("shop", "main") != c.head() {
			t.Fatalf("push %v: exit %d, %d pushes received, want %d\n%s", args, r.exit, len(w.engine.received()), pushes, r.out)
		}
	}
	push("teal", "main")
	// A thin pack: deltas against objects that only the server's repository has.
	c.commit("src/3", strings.Repeat("line 3\n", 199)+"other\n")
	push("--thin", "teal", "main")
	c.commit("src/4", "x")
	push("--no-thin", "teal", "main")
	c.commit("src/5", "x")
	push("--atomic", "teal", "main")
	c.commit("src/6", "x")
	push("--quiet", "teal", "main")
	c.commit("src/7", "x")
	push("--force-with-lease", "--progress", "teal", "main")
	for version := range 3 {
		c.commit("src/8", fmt.Sprint(version))
		c.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", fmt.Sprintf("GIT_CONFIG_VALUE_0=%d", version)}
		push("teal", "main")
		dir := fmt.Sprintf("copy-%d", version)
		c.git("clone", "-q", w.url("shop"), dir)
		if got := strings.TrimSpace(c.git("-C", dir, "rev-parse", "HEAD")); got != c.head() {
			t.Errorf("protocol %d: the clone has %s", version, got)
		}
	}
	c.env = nil
	c.git("reset", "-q", "--hard", "HEAD~2")
	has(t, c.try("push", "teal", "main").out, "non-fast-forward")
	push("--force", "teal", "main")
	// A commit that the repository has already needs no object.
	c.git("reset", "-q", "--hard", "HEAD~1")
	push("--force", "teal", "main")
	has(t, c.git("push", "teal", "main"), "Everything up-to-date")
	w.sound("shop")
}

func TestReadingByEveryProgramOfGits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.addApp("empty")
	c := w.newClone("anna", "shop")
	for range 3 {
		c.git("commit", "-q", "--allow-empty", "-m", "more")
	}
	c.git("push", "-q", "teal", "main")
	c.git("clone", "-q", "--depth", "1", w.url("shop"), "shallow")
	if n := strings.TrimSpace(c.git("-C", "shallow", "rev-list", "--count", "HEAD")); n != "1" {
		t.Errorf("the shallow clone has %s commits", n)
	}
	c.git("clone", "-q", "--filter=blob:none", w.url("shop"), "partial")
	has(t, c.git("archive", "--remote="+w.url("shop"), "main"), "FROM scratch")
	has(t, c.git("ls-remote", w.url("shop.git/")), c.head())
	has(t, c.git("clone", w.url("empty"), "none"), "empty repository")
}

func TestPushFromAShallowCloneWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.addApp("other")
	c := w.newClone("anna", "shop")
	for range 5 {
		c.git("commit", "-q", "--allow-empty", "-m", "more")
	}
	c.git("push", "-q", "teal", "main")
	// Into a repository that has all, and into one that has nothing.
	for _, app := range []string{"shop", "other"} {
		ci := &clone{w: w, dir: filepath.Join(w.dir, "ci-"+app), user: "anna"}
		if err := os.MkdirAll(ci.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		ci.git("clone", "-q", "--depth", "2", w.url("shop"), ".")
		ci.git("remote", "add", "teal", w.url(app))
		ci.commit("built", app)
		r := ci.try("push", "teal", "main")
		if r.exit != 0 {
			t.Errorf("push to %s: exit %d\n%s", app, r.exit, r.out)
		}
		ci.commit("again", app)
		ci.git("push", "-q", "teal", "main")
		ci.git("clone", "-q", w.url(app), "back")
		if n := len(strings.Fields(ci.git("-C", "back", "rev-list", "HEAD"))); app == "shop" && n != 8 || app == "other" && n != 4 {
			t.Errorf("the clone of %s has %d commits", app, n)
		}
	}
	w.sound("shop")
	w.sound("other")
	// A client that says of every commit there is that its history ends there.
	whole := &clone{w: w, dir: filepath.Join(w.dir, "whole"), user: "anna"}
	w.write(filepath.Join(whole.dir, "README"), "x", 0o644)
	whole.git("clone", "-q", w.url("shop"), "shop")
	whole.dir = filepath.Join(whole.dir, "shop")
	before, tip := whole.head(), whole.commit("more", "x")
	s := w.dial("anna").receivePack("shop")
	for id := range strings.FieldsSeq(whole.git("rev-list", "HEAD")) {
		s.send(appendPacket(nil, "shallow "+id))
	}
	s.command(before, tip, "refs/heads/main", usualCaps)
	has(t, s.finish(whole.packFor(tip, "^"+before)), "ok refs/heads/main")
	if _, err := os.Stat(filepath.Join(w.repos.path("shop"), "shallow")); err == nil {
		t.Error("the repository that has all was cut")
	}
}

func TestClientsWithoutSideBandOrReportAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	for _, caps := range []string{"report-status", "", "report-status side-band-64k push-options"} {
		tip := c.commit("a", caps)
		before := w.ref("shop", "main")
		s := w.dial("anna").receivePack("shop")
		s.command(before, tip, "refs/heads/main", caps)
		pack := c.packFor(tip)
		if strings.Contains(caps, "push-options") {
			pack = append([]byte("0000"), pack...) // an empty list of options
		}
		out := s.finish(pack)
		if strings.Contains(caps, "report-status") {
			has(t, out, "unpack ok\n", "ok refs/heads/main\n")
		}
		if w.ref("shop", "main") != tip {
			t.Errorf("with %q the ref did not move: %q", caps, out)
		}
	}
}

func TestOldRepositoryWithOddCommitsIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	tree := strings.TrimSpace(c.git("rev-parse", "HEAD^{tree}"))
	commit := "tree " + tree + "\nauthor Anna <anna> 1313584730 +051800\ncommitter  1313584730 +051800\n\nodd \x1b[31mred\n"
	c.w.write(filepath.Join(c.dir, "raw"), commit, 0o644)
	odd := strings.TrimSpace(c.git("hash-object", "-t", "commit", "-w", "--literally", "raw"))
	r := c.try("push", "teal", odd+":refs/heads/main")
	if r.exit != 0 {
		t.Fatalf("exit %d\n%s", r.exit, r.out)
	}
	got, err := w.repos.Commit(t.Context(), "shop", odd)
	if err != nil || got.Subject != "odd ?[31mred" {
		t.Errorf("the commit is %+v, %v", got, err)
	}
}
