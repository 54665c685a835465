package store_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"teal/deploy"
	"teal/store"
)

// writeForEver is the process that the test kills: it tells of each write after
// the store has acknowledged it.
func writeForEver(dir string) {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Dir: dir, Channels: []string{"mail"}, Log: quiet})
	for err == nil {
		err = writeOne(ctx, db)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// writeOne takes one deployment from its queue to the promotion or the failure.
func writeOne(ctx context.Context, db *store.DB) error {
	app, err := db.App(ctx, "shop")
	if err != nil {
		return err
	}
	r, err := db.CreateRelease(ctx, deploy.Release{App: "shop", Env: map[string]string{"SECRET": secret}})
	if err != nil {
		return err
	}
	d, err := db.CreateDeployment(ctx, deploy.Deployment{App: "shop", Cause: deploy.CauseRollback, State: deploy.Queued}, "queued")
	if err != nil {
		return err
	}
	acknowledge(d)
	if err := db.AppendLog(ctx, d.ID, []deploy.LogLine{{N: 1, Text: "one"}, {N: 2, Text: "two"}}); err != nil {
		return err
	}
	if d.ID%3 == 0 {
		d.State = deploy.Failed
		d, err = db.UpdateDeployment(ctx, d, "failed", &deploy.Alert{Episode: fmt.Sprint(d.ID), App: "shop", Deployment: d.ID})
	} else {
		d.State, d.Color, d.Release, d.PromotedAt = deploy.Promoting, app.Idle(), r.Number, time.Now()
		d, err = db.Activate(ctx, app.Active, d, "promoted")
	}
	if err != nil {
		return err
	}
	acknowledge(d)
	return nil
}

func acknowledge(d deploy.Deployment) { fmt.Println(d.ID, d.Version, d.Release, d.State) }

func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	f := newFixture(t)
	said := map[deploy.DeploymentID]deploy.Deployment{}
	lives := 0
	for ; lives < 20 || len(said) < 40 && lives < 200; lives++ { // more where the disk is slow
		ok(t, f.Close())
		writeAndKill(t, f.dir, time.Duration(20+rand.IntN(130))*time.Millisecond, said)
		f.DB = openAt(t, f.dir, f.clock)
		equal(t, "integrity", must(f.Integrity(t.Context()))(t), "ok")
		check(t, f, said)
	}
	if len(said) < 40 {
		t.Errorf("only %d deployments were written in %d lives", len(said), lives)
	}
	t.Logf("%d deployments acknowledged in %d lives", len(said), lives)
}

// writeAndKill runs the writer, kills it some time after its first word, and
// keeps what it said.
func writeAndKill(t *testing.T, dir string, after time.Duration, said map[deploy.DeploymentID]deploy.Deployment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), "TEAL_STORE_WRITER="+dir)
	child.Stderr = os.Stderr
	out := must(child.StdoutPipe())(t)
	ok(t, child.Start())
	killed := false
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break // a half line was not acknowledged
		}
		var d deploy.Deployment
		must(fmt.Sscan(line, &d.ID, &d.Version, &d.Release, &d.State))(t)
		said[d.ID] = d
		if !killed {
			killed = true
			timer := time.AfterFunc(after, func() { child.Process.Kill() }) //nolint:errcheck // Wait tells
			defer timer.Stop()
		}
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the writer ended by itself: %v", err)
	}
}

// check compares everything that was said with the store.
func check(t *testing.T, f fixture, said map[deploy.DeploymentID]deploy.Deployment) {
	t.Helper()
	app := f.shop(t)
	stored := map[deploy.DeploymentID]deploy.Deployment{}
	serving := 0
	for _, d := range must(f.Deployments(t.Context(), "shop", 0, 0))(t) {
		stored[d.ID] = d
		if d.State == deploy.Promoting {
			serving++
			equal(t, "live release", app.Live, d.Release)
			equal(t, "active color", app.Active, d.Color)
		}
	}
	if serving > 1 {
		t.Errorf("%d deployments serve", serving)
	}
	for id, d := range said {
		s := stored[id]
		if s.Version < d.Version || s.Release != d.Release && d.State != deploy.Queued {
			t.Fatalf("deployment %d was acknowledged as %+v and is %+v", id, d, s)
		}
		if d.State != deploy.Queued {
			equal(t, "log lines", len(must(f.Log(t.Context(), id, 0, 10))(t)), 2)
		}
		if d.State == deploy.Failed {
			equal(t, "state", s.State, deploy.Failed)
		}
	}
	for _, r := range must(f.Releases(t.Context(), "shop"))(t) {
		equal(t, "sealed value", r.Env["SECRET"], secret)
	}
}
