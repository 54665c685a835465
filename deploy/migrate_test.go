package deploy_test

import (
	"errors"
	"strings"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestRollbackAcrossAMigrationIsWarnedOf(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two mark names", deploy.Live)
	mustPush(ctx, t, d, "three mark names", deploy.Live)
	if dep := mustWait(ctx, t, d, mustRollback(ctx, t, d, 2), deploy.Live); dep.Note != "" {
		t.Errorf("a rollback to the same mark is warned of: %q", dep.Note)
	}
	dep := mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
	if !strings.Contains(dep.Note, `across a migration: v2 has the migration mark "names", v1 has no migration mark`) {
		t.Errorf("note %q", dep.Note)
	}
	wantAnswer(t, d, "v1")
}

func TestRollbackAcrossAMigrationThatBlocksNeedsSomeoneWhoMeansIt(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two blocks mark names", deploy.Live)
	if _, err := d.Rollback(ctx, "shop", 0, "ben"); !errors.Is(err, deploy.ErrAcross) || !strings.Contains(err.Error(), `v2 has the migration mark "blocks`) && !strings.Contains(err.Error(), `"names"`) {
		t.Fatalf("rollback: %v", err)
	}
	wantAnswer(t, d, "v2")
	dep, err := d.RollbackAcross(ctx, "shop", 0, "ben")
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	wantAnswer(t, d, "v1")
	// And forward again: v1 says nothing, so what v2 says counts.
	if _, err := d.Rollback(ctx, "shop", 2, "ben"); !errors.Is(err, deploy.ErrAcross) {
		t.Errorf("forward again: %v", err)
	}
}

// TestRollbackThatWaitsForAMigrationToGoLiveIsNotMade: when it was asked for there
// was none in between.
func TestRollbackThatWaitsForAMigrationToGoLiveIsNotMade(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	mustPush(ctx, t, d, "two", deploy.Live)
	asked := make(chan deploy.Deployment, 1)
	d.Before("Activate", func() { asked <- mustRollback(ctx, t, d, 1) })
	mustPush(ctx, t, d, "three blocks mark names", deploy.Live)
	dep := mustWait(ctx, t, d, <-asked, deploy.Canceled)
	if !strings.Contains(dep.Note, "v3 went live meanwhile, and a migration lies between: v3 has the migration mark") {
		t.Errorf("note %q", dep.Note)
	}
	wantAnswer(t, d, "v3")
}

func TestWatchDoesNotGoBackAcrossAMigrationThatBlocks(t *testing.T) {
	w := deploytest.New(t)
	d := w.Open()
	watched(t, w, d, "two blocks mark names")
	d.Router.Count(2, sick)
	eventually(t, func() bool { return len(w.Posted()) == 1 }, "nobody is told")
	a := w.Posted()[0]
	if a.Cause != deploy.CauseWatch || a.ServingV != 2 || !strings.Contains(a.Failure.Reason, "does not go back across a migration") || a.Failure.Regression == nil {
		t.Errorf("alert: %+v", a)
	}
	wantAnswer(t, d, "v2")
}
