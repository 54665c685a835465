package gitserver

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"teal/deploy"
)

func TestPushThatIsPromotedMovesTheRefAndExitsZero(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.engine.play(func(a *attempt) {
		a.log("==> Building")
		a.log("step \x1b[32mgreen\x1b[0m and \a bell")
		a.promote()
	})
	c := w.newClone("anna", "shop")
	r := c.try("push", "teal", "main")
	if r.exit != 0 {
		t.Fatalf("exit %d\n%s", r.exit, r.out)
	}
	has(t, r.out, "remote: ==> Building", "step green and ? bell", "✓ shop v1 is live on blue", "https://shop.example.com",
		"build 1.1 s · start 0.4 s · probe 0.1 s · switch 2.1 ms", "main -> main")
	if got := w.ref("shop", "main"); got != c.head() {
		t.Errorf("the ref is at %s, want %s", got, c.head())
	}
	c.commit("a.txt", "a")
	r = c.try("push", "teal", "main")
	has(t, r.out, "✓ shop v2 is live on green, replacing v1", "1204 requests, 0 failed · p99 12 ms before, 11 ms after",
		"drained in 0.3 s: 3 in flight, 0 cut · 2 sockets open")
	p := w.engine.received()[1]
	if p.By != "anna" || p.Ref != "refs/heads/main" || p.New != c.head() || p.Commit.Subject != "change a.txt" ||
		p.Commit.Author != "Anna <anna@example.com>" || p.Commit.At.IsZero() {
		t.Errorf("the engine got %+v", p)
	}
	w.sound("shop")
}

func TestRefusedDeploymentLeavesTheRefAndTellsWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	before := w.ref("shop", "main")
	w.engine.play(func(a *attempt) {
		a.log("==> Probing")
		a.fail(&deploy.Failure{
			Step: deploy.StepProbe, Reason: "GET / answered 500 (tried 31 times in 15 s)",
			Log: []string{"panic: no database"},
		})
	})
	c.commit("broken.txt", "x")
	r := c.try("push", "teal", "main")
	if r.exit != 1 {
		t.Errorf("exit %d, want 1", r.exit)
	}
	has(t, r.out, "✗ probe failed: GET / answered 500 (tried 31 times in 15 s)", "last lines of the app:", "| panic: no database",
		"blue v1 still serves shop.", "Next: fix and push again, or: ssh -p 2222 host logs shop",
		"! [remote rejected] main -> main (deploy failed: probe failed: GET / answered 500 (tried 31 times in 15 s))")
	if got := w.ref("shop", "main"); got != before {
		t.Errorf("the ref moved to %s", got)
	}
	// The objects are there already: pushing the same commit again works.
	w.engine.play(nil)
	c.git("push", "-q", "teal", "main")
	w.sound("shop")
}

func TestFailedBuildIsToldOnceInFullAndOnceInTheReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	failed := &deploy.Failure{Step: deploy.StepBuild, Reason: "'RUN make' ended with exit code 2", Log: []string{"cc: no such file: main.c"}}
	w.engine.play(func(a *attempt) {
		a.log("==> Building")
		a.log("cc: no such file: main.c")
		a.log("==> Build failed: 'RUN make' ended with exit code 2")
		a.fail(failed)
	})
	out := c.try("push", "teal", "main").out
	for text, want := range map[string]int{"ended with exit code 2": 2, "no such file: main.c": 1, "✗ build failed: 'RUN make'": 1, "==> Building": 1} {
		if got := strings.Count(out, text); got != want {
			t.Errorf("%q stands there %d times, want %d:\n%s", text, got, want, out)
		}
	}
	// Who did not see the log is shown its last lines.
	w.engine.play(func(a *attempt) {
		for i := 0; a.log("%s %d", noise(4000, 1), i); i++ {
			continue
		}
		a.fail(failed)
	})
	c.commit("chatty", "x")
	has(t, c.try("push", "teal", "main").out, "last lines of the build:", "| cc: no such file: main.c")
}

func TestWhatCannotDeployIsRefusedWithWhatToType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	c.git("tag", "-a", "-m", "one", "v1.0")
	c.git("branch", "feature")
	c.git("branch", "other")
	for _, row := range []struct {
		name, want string
		args       []string
	}{
		{"another branch", "(shop deploys from main: git push teal feature:main)", []string{"feature"}},
		{"a tag", "(a tag does not deploy; push what it names: git push teal 'v1.0^{}:main')", []string{"v1.0"}},
		{"a deletion", "(a branch can't be deleted here; to remove the app: ssh -p 2222 host destroy shop)", []string{":main"}},
		{"several refs", "(push one branch at a time: git push teal main)", []string{"feature", "other"}},
		{"all branches", "(push one branch at a time: git push teal main)", []string{"--all"}},
		{"all tags", "(a tag does not deploy; push what it names: git push teal 'v1.0^{}:main')", []string{"--tags"}},
		{"a mirror", "(push one branch at a time: git push teal main)", []string{"--mirror"}},
		{"a push option with a typing error", `(unknown push option "nopromote": known are no-promote, no-cache, detach, cancel-on-disconnect)`, []string{"-o", "nopromote", "feature:main"}},
		{"options that exclude each other", "(the push options detach and cancel-on-disconnect exclude each other)", []string{"-o", "detach", "-o", "cancel-on-disconnect", "feature:main"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if strings.HasSuffix(row.args[len(row.args)-1], ":main") && row.args[0] == "-o" {
				c.git("commit", "-q", "--allow-empty", "-m", "more")
				c.git("branch", "-f", "feature")
			}
			r := c.try(append([]string{"push", "teal"}, row.args...)...)
			if r.exit != 1 {
				t.Errorf("exit %d, want 1", r.exit)
			}
			has(t, r.out, row.want, "[remote rejected]")
		})
	}
	if n := len(w.engine.received()); n != 1 {
		t.Errorf("the engine got %d pushes, want 1", n)
	}
	w.sound("shop")
}

func TestRequestThatIsTooMuchIsToldToStockGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	var refs, shallow strings.Builder
	for i := range 65 {
		fmt.Fprintf(&refs, "create refs/heads/b%d %s\n", i, c.head())
	}
	create := c.command("update-ref", "--stdin")
	create.Stdin = strings.NewReader(refs.String())
	if r := w.finish(create); r.exit != 0 {
		t.Fatal(r.out)
	}
	c.commit("more", "x")
	told := func(want string, args ...string) {
		t.Helper()
		r := c.try(append([]string{"push"}, args...)...)
		if r.exit == 0 || strings.Contains(r.out, "protocol error") || strings.Contains(r.out, "bad band") {
			t.Errorf("exit %d\n%s", r.exit, r.out)
		}
		has(t, r.out, "remote: "+want)
	}
	told("more than 64 refs in one push: push one branch: git push teal main", "--all", "teal")
	told("more than 64 refs in one push", "--mirror", "teal")
	var options []string
	for range 33 {
		options = append(options, "-o", "no-cache")
	}
	told("a push takes at most 32 options of 4 KiB", append(options, "teal", "main")...)
	// The commits at which the history ends come before the capabilities.
	for i := range 6000 {
		fmt.Fprintf(&shallow, "%040x\n", i+1)
	}
	c.w.write(filepath.Join(c.dir, ".git", "shallow"), shallow.String(), 0o644)
	told("the push's request is longer than 256 KiB", "teal", "main")
	if n := len(w.engine.received()); n != 1 {
		t.Errorf("the engine got %d pushes, want 1", n)
	}
}

func TestAppDeploysFromTheBranchThatWasSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.store.change("shop", func(a *deploy.App) { a.Branch = "release/prod" })
	c := w.newClone("anna", "shop")
	has(t, c.try("push", "teal", "main").out, "(shop deploys from release/prod: git push teal main:release/prod)")
	c.git("push", "-q", "teal", "main:release/prod")
	if w.ref("shop", "release/prod") != c.head() {
		t.Error("the ref did not move")
	}
	// HEAD follows, so that a clone checks something out.
	c.git("clone", "-q", w.url("shop"), "copy")
	has(t, c.git("-C", "copy", "status", "-b", "--short"), "release/prod")
	// A branch that can't exist beside another one is refused before anything is deployed.
	w.store.change("shop", func(a *deploy.App) { a.Branch = "release" })
	c.commit("more", "x")
	has(t, c.try("push", "teal", "main:release").out, "(branch release can't exist beside branch release/prod)")
}

func TestMasterDeploysTooAndSaysUpToDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main:master")
	has(t, c.git("push", "teal", "main:master"), "Everything up-to-date")
	if n := len(w.engine.received()); n != 1 {
		t.Errorf("the engine got %d pushes, want 1", n)
	}
}

func TestFirstPushCreatesTheAppForWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.newClone("anna", "fresh.git")
	has(t, c.git("push", "teal", "main"), "remote: created app fresh")
	if app, err := w.store.App(t.Context(), "fresh"); err != nil || app.CreatedBy != "anna" {
		t.Errorf("the app is %+v, %v", app, err)
	}
	b := w.newClone("bert", "secret")
	r := b.try("push", "teal", "main")
	has(t, r.out, "fatal: remote error: there is no app secret that bert may push to; see yours with: ssh -p 2222 host apps")
	b.git("remote", "set-url", "teal", w.url("fresh"))
	has(t, b.try("push", "teal", "main").out, "fatal: remote error: there is no app fresh that bert may push to")
	w.store.grant("bert", "fresh", deploy.Viewer)
	has(t, b.try("push", "teal", "main").out, "bert may not push to fresh; ask one of its admins")
	has(t, b.try("clone", "-q", w.url("none"), "x").out, "there is no app none that bert may fetch from")
	b.git("clone", "-q", w.url("fresh"), "copy")
}

func TestRefusedFirstPushCreatesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.newClone("anna", "fresh")
	has(t, c.try("push", "teal", "main:feature").out, "(fresh deploys from main: git push teal feature:main)")
	blob := strings.TrimSpace(c.git("hash-object", "-w", "Dockerfile"))
	has(t, c.try("push", "teal", blob+":refs/heads/main").out, "remote rejected")
	if _, err := w.store.App(t.Context(), "fresh"); err == nil || w.repos.exists("fresh") {
		t.Errorf("the app was made (%v), or its repository (%v)", err, w.repos.exists("fresh"))
	}
	w.tidy()
}

func TestPushOptionsReachTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	before := w.ref("shop", "main")

	w.engine.play(func(a *attempt) {
		a.settle(func(d *deploy.Deployment) { d.State, d.Release, d.Color = deploy.Staged, 2, deploy.Green })
	})
	c.commit("staged", "x")
	r := c.try("push", "-o", "no-promote", "-o", "no-cache", "teal", "main")
	if r.exit != 0 {
		t.Errorf("exit %d\n%s", r.exit, r.out)
	}
	has(t, r.out, "✓ shop v2 is staged on green", "blue v1 still serves shop.", "Next: ssh -p 2222 host promote shop (the branch on the server moves then)")

	hold := make(chan struct{})
	w.engine.play(func(a *attempt) { <-hold; a.promote() })
	c.commit("detached", "x")
	r = c.try("push", "-o", "detach", "teal", "main")
	if r.exit != 0 {
		t.Errorf("exit %d\n%s", r.exit, r.out)
	}
	has(t, r.out, "deployment 3 of shop is queued", "ssh -p 2222 host logs -f shop")
	if got := w.ref("shop", "main"); got != before {
		t.Errorf("the ref moved to %s before the promotion", got)
	}
	close(hold)
	eventually(t, "the ref moves at the promotion", func() bool { return w.ref("shop", "main") == c.head() })

	got := w.engine.received()
	if o := got[1].Options; !o.NoPromote || !o.NoCache || o.Detach || o.CancelOnDisconnect {
		t.Errorf("options are %+v", o)
	}
	if o := got[2].Options; !o.Detach || o.NoPromote {
		t.Errorf("options are %+v", o)
	}
}

func TestSupersededAndCanceledPushersAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	w.engine.play(func(a *attempt) { a.end(deploy.Superseded, "superseded by bert's push of 3f2a1bc") })
	r := c.try("push", "teal", "main")
	has(t, r.out, "(deploy failed: superseded by bert's push of 3f2a1bc)", "Nothing serves shop yet.")
	w.engine.play(func(a *attempt) { a.end(deploy.Canceled, "canceled by root") })
	has(t, c.try("push", "teal", "main").out, "✗ canceled by root", "(deploy failed: canceled by root)")
}

func TestStaleOldCommitIsRefusedBeforeAnythingIsDeployed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("push", "-q", "teal", "main")
	// Between the advertisement and the request someone else's push is promoted.
	first := c.head()
	second := c.commit("second", "2")
	c.git("push", "-q", "teal", "main")
	raw := w.dial("anna")
	s := raw.receivePack("shop")
	s.command(first, second, "refs/heads/main", "report-status side-band-64k object-format=sha1")
	has(t, s.finish(emptyPack()), "ng refs/heads/main main moved to "+second[:7]+" while you pushed: git pull, then push again")
}

func TestEngineThatStopsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	w.engine.answer(deploy.ErrStopping)
	c := w.newClone("anna", "shop")
	has(t, c.try("push", "teal", "main").out, "(teal is stopping: push again in a moment)")
	w.engine.answer(nil)
	w.engine.play(func(a *attempt) { <-a.settled })
	done := make(chan result, 1)
	go func() { done <- c.try("push", "teal", "main") }()
	eventually(t, "the push is received", func() bool { return len(w.engine.received()) == 1 })
	w.stop()
	has(t, (<-done).out, "(teal is stopping; see what became of it: ssh -p 2222 host logs shop)")
	w.engine.attempt(1).end(deploy.Failed, "")
}

func TestSubmodulesAndLargeFilesAreNamedToThePusher(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.git("update-index", "--add", "--cacheinfo", "160000,"+c.head()+",vendor/theme")
	c.git("commit", "-q", "-m", "submodule")
	c.git("push", "-q", "teal", "main")
	c.w.write(c.dir+"/.gitattributes", "*.bin filter=lfs\n", 0o644)
	c.w.write(c.dir+"/assets/film.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("a", 64)+"\nsize 123456789\n", 0o644)
	c.git("-c", "filter.lfs.clean=cat", "add", ".gitattributes", "assets")
	c.git("commit", "-q", "-m", "film")
	has(t, c.git("push", "teal", "main"),
		"note: submodules are empty directories in the build: vendor/theme",
		"note: Git LFS files are built as pointers, not as their contents: assets/film.bin")
	// A name from outside must not paint the pusher's terminal.
	c.git("update-index", "--add", "--cacheinfo", "160000,"+c.head()+",vendor/\x1b[2J\rteal: all is well")
	c.git("commit", "-q", "-m", "odd")
	out := c.git("push", "teal", "main")
	has(t, out, "in the build: vendor/?[2J?teal: all is well, vendor/theme")
	if strings.Contains(out, "\x1b[2J") {
		t.Errorf("a file's name reached the terminal as it is: %q", out)
	}
}
