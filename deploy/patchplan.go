package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// PatchSettings are what an app says about its security patches ([patch] in
// teal.toml).
type PatchSettings struct {
	Mode PatchMode `json:"mode,omitempty"`
	// Window is when patch runs may begin, "02:00-05:00" by the clock on the
	// server's wall; "": as the schedule has it.
	Window string     `json:"window,omitempty"`
	Scope  PatchScope `json:"scope,omitempty"`
	// Tell has people told of patches that went live, too.
	Tell bool `json:"tell,omitempty"`
	// Layer lays updates over the image of an app with a Dockerfile whose base
	// image does not have them.
	Layer bool `json:"layer,omitempty"`
}

// PatchMode is what a scheduled run does with what it finds.
type PatchMode string

// The modes.
const (
	PatchAuto   PatchMode = ""       // deploy it
	PatchNotify PatchMode = "notify" // tell of it
	PatchOff    PatchMode = "off"    // do not look
)

// PatchScope is what an app wants.
type PatchScope string

// The scopes.
const (
	ScopeAll      PatchScope = ""         // every update that there is
	ScopeSecurity PatchScope = "security" // run only when one of them comes from a security archive
)

// Patch brings the live release up to date and deploys the result if it
// differs; when it does not, the deployment ends Canceled with a note that says
// so. What is out of date is looked for anew. ErrBusy when a deployment is under
// way, ErrNothing when nothing is live or a rollback pinned the app.
func (e *Engine) Patch(ctx context.Context, app AppName) (Deployment, error) {
	a, err := e.patchable(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	e.survey.forget(a.Name)
	return e.again(ctx, app, Deployment{Cause: CausePatch})
}

func (e *Engine) patchable(ctx context.Context, app AppName) (App, error) {
	a, err := e.appReady(ctx, app)
	switch {
	case err != nil:
		return App{}, err
	case a.PatchPinned:
		return App{}, fmt.Errorf("%w: %s was rolled back; patching waits for the next push", ErrNothing, app)
	case a.Live == 0:
		return App{}, fmt.Errorf("%w: nothing of %s is live yet; push to deploy it", ErrNothing, app)
	}
	return a, nil
}

// PatchDue is Patch by the schedule: it keeps to the app's settings and does not
// try again what failed. Nothing to do is ErrNothing with the reason, and no
// deployment.
func (e *Engine) PatchDue(ctx context.Context, app AppName) (Deployment, error) {
	a, err := e.patchable(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	live, err := e.Store.Release(ctx, app, a.Live)
	if err != nil {
		return Deployment{}, err
	}
	settings := live.Settings.Patch
	if settings.Mode == PatchOff {
		return Deployment{}, fmt.Errorf("%w: teal.toml of %s has [patch] mode = \"off\"", ErrNothing, live.Name())
	}
	pending, err := e.pending(ctx, live)
	if errors.Is(err, ErrEngineAway) || ctx.Err() != nil {
		return Deployment{}, err
	}
	if err != nil {
		pending = Pending{Unknown: []string{Clean(err.Error(), 300)}}
	}
	record, err := e.Patches.PatchRecord(ctx, app)
	if err != nil {
		return Deployment{}, err
	}
	if err := e.mayPatch(ctx, live, pending, record); err != nil {
		return Deployment{}, err
	}
	if settings.Mode == PatchNotify {
		return Deployment{}, e.tellPending(ctx, a, live, pending, record)
	}
	return e.again(ctx, app, Deployment{Cause: CausePatch})
}

// mayPatch is nil when a scheduled run has something to do that it may do now.
func (e *Engine) mayPatch(ctx context.Context, live Release, pending Pending, record PatchRecord) error {
	switch {
	case pending.None():
		return fmt.Errorf("%w: no updates for %s: every package is as new as its archive has it", ErrNothing, live.Name())
	case !pending.Worth(live.Settings.Patch.Scope):
		return fmt.Errorf("%w: %d updates for %s, none of them for security (%s)", ErrNothing, len(pending.Changes), live.Name(), Brief(pending.Changes))
	case record.FailedKey == pending.Key() && e.Now().Before(record.NotBefore):
		return fmt.Errorf("%w: the same updates failed %s; they are tried again after %s, or when there are others (now: patch %s --now)",
			ErrNothing, times(record.Failures), clock(record.NotBefore), live.App)
	case record.idle(live, pending, e.Now()):
		return fmt.Errorf("%w: %s was built anew and held the same packages (%s); that is tried again after %s, when there are others, or after a push (now: patch %s --now)",
			ErrNothing, live.Name(), pending, clock(record.IdleUntil), live.App)
	}
	return e.lineStopped(ctx, live, pending.Stack)
}

func clock(at time.Time) string { return at.UTC().Format("Mon 2 Jan 15:04 MST") }

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// tellPending is the end of a run that only tells: ErrNothing, with a mail when
// these updates were not told of before.
func (e *Engine) tellPending(ctx context.Context, a App, live Release, pending Pending, record PatchRecord) error {
	nothing := fmt.Errorf("%w: %s of %s waits for you: %s (patch %s --now)", ErrNothing, live.Name(), a.Name, pending, a.Name)
	key := pending.Key()
	if record.Told == key {
		return nothing
	}
	e.post(ctx, Alert{
		Episode: fmt.Sprintf("%s/updates/%s", a.Name, key), News: NewsUpdates,
		App: a.Name, Cause: CausePatch, Commit: live.Commit, Changes: pending.Changes, At: e.Now(),
		Failure: Failure{Reason: pending.String()}, Serving: a.Active, ServingV: a.Live, ServingSince: a.ReplacedAt,
	})
	return errors.Join(nothing, e.changeRecord(ctx, a.Name, func(r *PatchRecord) { r.Told = key }))
}

// post has people told. When that can't be stored, the log has it.
func (e *Engine) post(ctx context.Context, a Alert) {
	if err := e.Patches.PostAlert(ctx, a); err != nil {
		e.Log.Error("Cannot store an alert", "app", a.App, "deployment", a.Deployment, "error", err)
		return
	}
	e.told(Event{At: a.At, App: a.App, Deployment: a.Deployment, Text: "an alert waits for its delivery"})
}

// tellPatched tells people of a patch that went live, where the app wants that.
func (e *Engine) tellPatched(r Release, d Deployment) {
	if !r.Settings.Patch.Tell {
		return
	}
	ctx, done := cleanup()
	defer done()
	e.post(ctx, Alert{
		Episode: fmt.Sprintf("%s/patched/%d", d.App, d.ID), News: NewsPatched,
		App: d.App, Deployment: d.ID, Cause: CausePatch, Commit: r.Commit, Changes: d.Changes, At: e.Now(),
		Failure: Failure{Reason: d.Note}, Serving: d.Color, ServingV: d.Release, ServingSince: d.PromotedAt,
	})
}

// PatchPlan tells what a patch run of the app would do now: dry-run.
type PatchPlan struct {
	Live    Release
	Pending Pending
	// Held says why a scheduled run would leave it at that; "" when it would not.
	Held string
}

// PlanPatch looks for updates of an app, and changes neither it nor another one.
// The looking itself is that of a patch run: Patcher.Pending may refresh base
// images of Teal's own.
func (e *Engine) PlanPatch(ctx context.Context, app AppName) (PatchPlan, error) {
	a, err := e.appReady(ctx, app)
	if err != nil {
		return PatchPlan{}, err
	}
	if a.Live == 0 {
		return PatchPlan{}, fmt.Errorf("%w: nothing of %s is live yet; push to deploy it", ErrNothing, app)
	}
	live, err := e.Store.Release(ctx, app, a.Live)
	if err != nil {
		return PatchPlan{}, err
	}
	e.survey.forget(app)
	plan := PatchPlan{Live: live}
	if plan.Pending, err = e.pending(ctx, live); err != nil {
		return PatchPlan{}, err
	}
	record, err := e.Patches.PatchRecord(ctx, app)
	if err != nil {
		return PatchPlan{}, err
	}
	switch held := e.mayPatch(ctx, live, plan.Pending, record); {
	case held != nil && !errors.Is(held, ErrNothing):
		return PatchPlan{}, held
	case a.PatchPinned:
		plan.Held = "a rollback pinned the app: patching waits for the next push"
	case live.Settings.Patch.Mode != PatchAuto:
		plan.Held = fmt.Sprintf("teal.toml has [patch] mode = %q", live.Settings.Patch.Mode)
	case held != nil && !plan.Pending.None():
		plan.Held = strings.TrimPrefix(held.Error(), ErrNothing.Error()+": ")
	}
	return plan, nil
}

// PatchWindow is when patch runs of the app may begin, as what serves has it.
func (e *Engine) PatchWindow(ctx context.Context, app App) Window {
	settings := *e.Defaults
	if r, err := e.Store.Release(ctx, app.Name, app.Live); err == nil {
		settings = r.Settings
	}
	w, err := ParseWindow(settings.Patch.Window)
	if err != nil {
		return Window{} // it was checked when it was set
	}
	return w
}
