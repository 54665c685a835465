package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"teal/deploy"
	"teal/store"
)

// oldBase is a base image made of Debian's main suite without its security
// suite. It stays from run to run: what is in it hardly changes.
const oldBase = "teal-e2e/main-only:bookworm"

// stackTurn is held while stack images are old: a patch run of another test
// would bring them up to date before an app was built on them.
var stackTurn sync.Mutex

// TestScheduledRunUpgradesRealPackagesAndDeploysOnlyWhatWorks: an app on a base
// without Debian's security updates is brought up to date by the schedule, under
// load, and no request fails; one that the updates break stays as it was, and one
// mail tells of it. The next run finds nothing to do.
func TestScheduledRunUpgradesRealPackagesAndDeploysOnlyWhatWorks(t *testing.T) {
	t.Parallel()
	stackTurn.Lock()
	done := sync.OnceFunc(stackTurn.Unlock)
	t.Cleanup(done)
	useOldBase(t)
	box := newMailbox(t)
	box.open()
	w := newWorld(t, append(box.args(), "--patch-jitter", "0s")...)
	good := w.app(t, "anna", "good")
	good.onStack()
	brittle := w.app(t, "anna", "brittle")
	brittle.onStack("-needs", "Version: "+good.packageVersion("libssl3"))
	done()

	l := startLoad(good, 10)
	began := time.Now()
	for _, a := range []*app{good, brittle} {
		w.command(t, "anna", "schedule", a.name, "*", "*", "*", "*", "*").exits(0)
	}
	var patched deploy.Deployment
	inTime(t, 15*time.Minute, "both apps were patched", func() bool {
		g, b := good.lastStored(), brittle.lastStored()
		patched = g
		return g.Cause == deploy.CausePatch && g.State.Committed() && b.Cause == deploy.CausePatch && b.State == deploy.Failed
	})
	t.Logf("patched after %s: %s", time.Since(began).Round(time.Second), patched.Note)
	for _, c := range patched.Changes {
		t.Logf("  %s %s", c, map[bool]string{true: "(security)"}[c.Security])
	}
	if !strings.HasPrefix(patched.Note, "patched: ") || len(patched.Changes) == 0 || patched.Release != 2 {
		t.Errorf("the patch is recorded as %+v", patched)
	}
	for _, c := range patched.Changes {
		if out, err := exec.Command("dpkg", "--compare-versions", c.Old, "lt", c.New).CombinedOutput(); c.Old != "" && c.New != "" && err != nil {
			t.Errorf("%s is no upgrade: %s", c, out)
		}
	}
	w.command(t, "anna", "deployments", "good").exits(0).says("patched: ", " → ")
	w.command(t, "anna", "sbom", "good").exits(0)

	m := box.next()
	if !strings.Contains(m.subject, "brittle: security patch") || !strings.Contains(m.text, " → ") {
		t.Errorf("the mail is %q:\n%s", m.subject, m.text)
	}
	brittle.serves("1")
	if got := strings.Join(brittle.containers(), ", "); got != "blue v1 running" {
		t.Errorf("after a patch that breaks it brittle has %s", got)
	}

	before, release := good.instances(), good.lastStored().ID
	inTime(t, 5*time.Minute, "another run finds nothing to do", func() bool {
		return w.hasEvent("good", "no updates for v2") && w.hasEvent("brittle", "the same updates failed once")
	})
	if after := good.instances(); after != before || good.lastStored().ID != release {
		t.Errorf("a run without updates did something: %s became %s, deployment %d", before, after, good.lastStored().ID)
	}
	box.empty()
	w.command(t, "anna", "patch", "good", "--dry-run").exits(0).says("v2 of good is up to date")
	l.stopUnharmed()
}

// inTime waits longer than eventually does.
func inTime(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %s until %s", limit, what)
		}
	}
}

// lastStored is the app's newest deployment as the store has it.
func (a *app) lastStored() (d deploy.Deployment) {
	a.t.Helper()
	a.w.withStore(func(ctx context.Context, db *store.DB) error {
		all, err := db.Deployments(ctx, deploy.AppName(a.name), 0, 1)
		if err == nil && len(all) > 0 {
			d = all[0]
		}
		return err
	})
	return d
}

// hasEvent tells whether an event of the app has the text.
func (w *world) hasEvent(app, text string) (found bool) {
	w.t.Helper()
	w.withStore(func(ctx context.Context, db *store.DB) error {
		all, err := db.Events(ctx, deploy.AppName(app), 100)
		for _, e := range all {
			found = found || strings.Contains(e.Text, text)
		}
		return err
	})
	return found
}

// useOldBase has teal/base be the old base until something refreshes it.
func useOldBase(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := engine.ImageInspect(ctx, oldBase); err != nil {
		makeMainOnly(ctx, t, oldBase, "base", "openssl")
	}
	standIn(ctx, t, "teal/base", oldBase)
}

// standIn has a stack image be an old one until something refreshes it, or back
// is called.
func standIn(ctx context.Context, t *testing.T, name, old string) (back func()) {
	t.Helper()
	good := "teal-e2e/" + strings.ReplaceAll(strings.TrimPrefix(name, "teal/"), ":", "-") + ":before"
	was, err := engine.ImageInspect(ctx, old)
	if err == nil && !isImage(ctx, name, was.ID) { // else an earlier run was cut off, and good is what was there before
		err = engine.ImageTag(ctx, name, good)
	}
	if err == nil {
		err = engine.ImageTag(ctx, old, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	back = sync.OnceFunc(func() {
		ctx := context.Background()
		if isImage(ctx, name, was.ID) {
			if err := engine.ImageTag(ctx, good, name); err != nil {
				t.Error(err)
			}
		}
		_, _ = engine.ImageRemove(ctx, good, image.RemoveOptions{})
	})
	t.Cleanup(back)
	return back
}

func isImage(ctx context.Context, name, id string) bool {
	found, err := engine.ImageInspect(ctx, name)
	return err == nil && found.ID == id
}

// makeMainOnly bootstraps an image for a stack image's place from the mirror that
// the machine itself uses, of Debian's main suite alone.
func makeMainOnly(ctx context.Context, t *testing.T, name, stack string, packages ...string) {
	t.Helper()
	began := time.Now()
	mirror := debianMirror(ctx, t)
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=essential", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--include=usr-is-merged,ca-certificates,"+strings.Join(packages, ","), `--aptopt=Apt::Install-Recommends "false"`, "--format=tar", "bookworm", "-", "deb "+mirror+" bookworm main")
	var said bytes.Buffer
	cmd.Stderr = &said
	root, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r, err := engine.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, name, image.ImportOptions{Changes: []string{
		"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LABEL teal.stack=" + stack, "LABEL teal.packages=old", `LABEL teal.source="main alone"`,
	}})
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	if ended := cmd.Wait(); err != nil || ended != nil {
		t.Fatalf("mmdebstrap: %v %v\n%s", err, ended, said.String())
	}
	t.Logf("%s of Debian's main suite alone: made in %s", stack, time.Since(began).Round(time.Second))
}

// debianMirror is where the machine has Debian's main suite from.
func debianMirror(ctx context.Context, t *testing.T) (mirror string) {
	t.Helper()
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && (f[1] == "bookworm" || f[1] == "oldstable") && f[2] == "main" {
			mirror = f[0]
		}
	}
	if mirror == "" {
		t.Fatalf("the machine has no mirror of Debian bookworm: %s", out)
	}
	return mirror
}

// onStack is an app on teal/base.
func (a *app) onStack(flags ...string) {
	a.t.Helper()
	program, err := os.ReadFile(victBin)
	if err != nil {
		a.t.Fatal(err)
	}
	writeFile(a.t, filepath.Join(a.dir, "vict"), string(program), 0o755)
	a.deploys(vict{version: "1", base: "teal/base\nCOPY vict /vict", start: "20s", flags: flags})
}

// packageVersion is that of a package in what serves, as Teal tells it.
func (a *app) packageVersion(name string) string {
	a.t.Helper()
	var doc struct{ Packages []deploy.Package }
	a.w.document(a.t, &doc, "sbom", a.name, "--json")
	for _, p := range doc.Packages {
		if p.Name == name {
			return p.Version
		}
	}
	a.t.Fatalf("%s has no %s among %d packages", a.name, name, len(doc.Packages))
	return ""
}
