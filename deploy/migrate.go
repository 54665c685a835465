package deploy

import (
	"context"
	"errors"
	"fmt"
)

// ErrAcross says that a rollback would cross a migration that must not be crossed.
var ErrAcross = errors.New("a migration lies between")

// MigrateSettings say on which side of a migration a release is ([migrate] in
// teal.toml). The database does not go back with a rollback: an older release
// finds it as the release command of the newer one has left it.
type MigrateSettings struct {
	// Mark is a word that is changed together with the database in a way that
	// older releases can't live with; "": none. Releases with the same mark can
	// take each other's place.
	Mark string `json:"mark,omitempty"`
	// Block refuses rollbacks to a release with another mark; else they are warned of.
	Block bool `json:"block,omitempty"`
}

// Crossing says which migration lies between two releases; "" when none does.
func Crossing(from, to Release) string {
	if from.Settings.Migrate.Mark == to.Settings.Migrate.Mark {
		return ""
	}
	return fmt.Sprintf("%s has %s, %s has %s: the database stays as it is now, and %s may not live with it",
		from.Name(), markName(from), to.Name(), markName(to), to.Name())
}

func markName(r Release) string {
	if r.Settings.Migrate.Mark == "" {
		return "no migration mark"
	}
	return fmt.Sprintf("the migration mark %q", r.Settings.Migrate.Mark)
}

// blocks tells whether a rollback between the two is refused. What serves knows
// what it did to the database; the older one says it when that says nothing.
func blocks(from, to Release) bool {
	if from.Settings.Migrate.Mark == "" {
		return to.Settings.Migrate.Block
	}
	return from.Settings.Migrate.Block
}

// acrossMigration gives the warning that a rollback to r deserves; "": none.
// ErrAcross when it is not to be made.
func (e *Engine) acrossMigration(ctx context.Context, app App, r Release, meant bool) (warning string, err error) {
	if app.Live == 0 {
		return "", nil
	}
	live, err := e.Store.Release(ctx, app.Name, app.Live)
	if err != nil {
		return "", err
	}
	between := Crossing(live, r)
	switch {
	case between == "":
		return "", nil
	case blocks(live, r) && !meant:
		return "", fmt.Errorf("%w: %s", ErrAcross, between)
	}
	return acrossNote + between, nil
}

// acrossNote begins the note of a rollback across a migration.
const acrossNote = "across a migration: "

// stillAcross ends a rollback that was asked for before a migration went live: who
// asked had no say about that one.
func (w *worker) stillAcross(ctx context.Context, app App, r Release, d Deployment) error {
	if d.Cause != CauseRollback || app.Live == 0 {
		return nil
	}
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil {
		return err
	}
	between := Crossing(live, r)
	if between == "" || !blocks(live, r) || d.Note == acrossNote+between {
		return nil
	}
	return &interruption{Canceled, fmt.Sprintf("%s went live meanwhile, and %s: %s", live.Name(), ErrAcross, between)}
}

// staysAcross tells whether a migration forbids to go back; then people are told
// of the regression alone.
func (v *vigil) staysAcross(ctx context.Context, found *Regression) bool {
	w := v.w
	live, err := w.e.Store.Release(ctx, w.app, v.d.Release)
	if err != nil {
		w.e.Log.Warn("Cannot tell whether a migration lies between; going back", "app", w.app, "release", v.d.Release, "error", err)
		return false
	}
	between := Crossing(live, v.previous)
	if between == "" || !blocks(live, v.previous) {
		return false
	}
	w.tell(ctx, v.d, fmt.Sprintf("%s; not going back: %s", found.Reason(), between))
	d := v.d
	d.Cause, d.Failure = CauseWatch, (&Failure{
		Step: StepWatch, Reason: fmt.Sprintf("%s; Teal does not go back across a migration", found.Reason()), Regression: found,
		Hint: fmt.Sprintf("%s. Mend it and push, or rollback with --across-migration", between),
	}).classed()
	alert := w.e.alert(ctx, d)
	alert.Episode = fmt.Sprintf("%s/watch/%d/across", d.App, d.Release)
	w.e.post(ctx, *alert)
	return true
}
