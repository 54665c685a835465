package gitserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	gossh "golang.org/x/crypto/ssh"

	"teal/deploy"
)

var (
	_ deploy.Repositories = (*Repos)(nil)
	_ Engine              = (*deploy.Engine)(nil)
)

func TestAdvanceMovesTheRefWhereverItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	first := c.head()
	c.git("push", "-q", "teal", "main")
	second := c.commit("b", "b")
	c.git("push", "-q", "teal", "main")
	push := deploy.Push{App: "shop", Ref: "refs/heads/main", Old: noHash, New: first}
	for range 2 { // doing it again is no error
		if err := w.repos.Advance(t.Context(), push); err != nil {
			t.Fatal(err)
		}
		if got := w.ref("shop", "main"); got != first {
			t.Errorf("the ref is at %s, want %s", got, first)
		}
	}
	push.New = second
	if err := w.repos.Advance(t.Context(), push); err != nil || w.ref("shop", "main") != second {
		t.Errorf("%v, at %s", err, w.ref("shop", "main"))
	}
	for _, bad := range []deploy.Push{
		{App: "shop", Ref: "refs/heads/main", New: strings.Repeat("ab", 20)},
		{App: "shop", Ref: "refs/heads/main", New: "HEAD"},
		{App: "shop", Ref: "refs/heads/../../x", New: first},
		{App: "shop", Ref: "refs/heads/a\x00delete refs/heads/main", New: first},
		{App: "none", Ref: "refs/heads/main", New: first},
	} {
		if err := w.repos.Advance(t.Context(), bad); err == nil {
			t.Errorf("%+v was done", bad)
		}
	}
	if w.ref("shop", "main") != second {
		t.Error("a refused move moved the ref")
	}
}

func TestForgetRemovesTheRepositoryAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.addApp("shop-two")
	for _, app := range []string{"shop", "shop-two"} {
		w.newClone("anna", app).git("push", "-q", "teal", "main")
	}
	for range 2 {
		if err := w.repos.Forget(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if w.repos.exists("shop") || !w.repos.exists("shop-two") {
		t.Errorf("shop %v, shop-two %v", w.repos.exists("shop"), w.repos.exists("shop-two"))
	}
	w.tidy()
	if err := NewRepos(ReposConfig{Dir: filepath.Join(w.dir, "nothing")}).Forget(t.Context(), "shop"); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

func TestSweepRemovesWhatAKilledDaemonLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	repo := w.repos.path("shop")
	left := []string{
		filepath.Join(w.repos.dir, ".new-shop-1", "HEAD"), filepath.Join(w.repos.dir, ".gone-shop-1", "repository", "HEAD"),
		filepath.Join(repo, "objects", "tmp_objdir-incoming-x", "pack", "tmp_pack_1"), filepath.Join(repo, "objects", "pack", "tmp_idx_1"),
		filepath.Join(repo, "refs", "heads", "main.lock"), filepath.Join(repo, "packed-refs.lock"), filepath.Join(repo, "HEAD.lock"),
	}
	for _, path := range left {
		w.write(path, "x", 0o600)
		old := time.Now().Add(-time.Minute)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.repos.Advance(t.Context(), deploy.Push{App: "shop", Ref: "refs/heads/main", New: c.head()}); err == nil {
		t.Error("a locked ref was moved")
	}
	if err := w.repos.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
	w.stillWorks(c, "shop")
	w.sound("shop")
	if err := NewRepos(ReposConfig{Dir: filepath.Join(w.dir, "nothing")}).Sweep(t.Context()); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

func TestSweepWaitsForALockThatIsYoung(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	repos := NewRepos(ReposConfig{Dir: dir})
	lock := filepath.Join(dir, "shop.git", "refs", "heads", "main.lock")
	if err := os.MkdirAll(filepath.Dir(lock), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := repos.Sweep(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sweep: %v", err)
	}
	if _, err := os.Stat(lock); err != nil {
		t.Error("the lock of a running git was taken away")
	}
}

func TestCheckGitTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	if err := NewRepos(ReposConfig{Dir: t.TempDir()}).CheckGit(t.Context()); err != nil {
		t.Error(err)
	}
	for version, want := range map[string]string{
		"git version 2.30.9":         "is 2.30: upgrade the package git",
		"git version 1.8.3.1":        "is 1.8: upgrade",
		"git version 3.0.0":          "",
		"git version 2.31.0.windows": "",
		"hello":                      `calls itself "hello`,
	} {
		old := filepath.Join(t.TempDir(), "git")
		if err := os.WriteFile(old, []byte("#!/bin/echo "+version+" #"), 0o755); err != nil {
			t.Fatal(err)
		}
		err := NewRepos(ReposConfig{Dir: t.TempDir(), Git: old}).CheckGit(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", version, err)
		}
	}
	err := NewRepos(ReposConfig{Dir: t.TempDir(), Git: "/nonexistent/git"}).CheckGit(t.Context())
	if err == nil || !strings.Contains(err.Error(), "install the package git") {
		t.Errorf("without git: %v", err)
	}
}

func TestTextOfCommitsIsCleaned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.env = []string{"GIT_AUTHOR_NAME=Eve \x1b]0;owned\x07\u202e", "GIT_AUTHOR_EMAIL=e@x"}
	c.git("commit", "-q", "--allow-empty", "-m", "red \x1b[31malert\x07 "+strings.Repeat("x", 5000)+"\n\nbody")
	c.git("push", "-q", "teal", "main")
	got := w.engine.received()[0].Commit
	if strings.ContainsAny(got.Author+got.Subject, "\x1b\x07\u202e\n") || len([]rune(got.Subject)) > 201 || !strings.HasPrefix(got.Subject, "red ?[31malert? x") {
		t.Errorf("%q %q", got.Author, got.Subject)
	}
	// Old character sets are read as what they are.
	c.env = nil
	c.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "gr\xfc\xdfe")
	c.git("push", "-q", "teal", "main")
	if got := w.engine.received()[1].Commit.Subject; got != "grüße" {
		t.Errorf("%q", got)
	}
}

func TestGoGitAsAClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	auth := &gitssh.PublicKeys{User: "git", Signer: w.keys["anna"]}
	auth.HostKeyCallback = gossh.InsecureIgnoreHostKey() //nolint:gosec // it is the test's own server
	local, err := git.PlainOpen(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := local.Push(&git.PushOptions{RemoteName: "teal", Auth: auth, RefSpecs: []config.RefSpec{"refs/heads/main:refs/heads/main"}}); err != nil {
		t.Fatal(err)
	}
	copied, err := git.PlainClone(filepath.Join(w.dir, "copy"), false, &git.CloneOptions{URL: w.url("shop"), Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	if head, err := copied.Head(); err != nil || head.Hash().String() != c.head() {
		t.Errorf("the clone is at %v, %v", head, err)
	}
	err = local.Push(&git.PushOptions{RemoteName: "teal", Auth: auth, RefSpecs: []config.RefSpec{"refs/heads/main:refs/heads/feature"}})
	if err == nil || !strings.Contains(err.Error(), "shop deploys from main") {
		t.Errorf("another branch: %v", err)
	}
}
