package deploy

import (
	"context"
	"errors"
	"time"
)

// Patches remembers what patch runs found and how they went. Met by the store.
type Patches interface {
	// PatchRecord gives an app's; the zero one when there is none.
	PatchRecord(ctx context.Context, app AppName) (PatchRecord, error)
	// SetPatchRecord stores it; ErrNotFound when there is no such app.
	SetPatchRecord(ctx context.Context, app AppName, r PatchRecord) error
	// PostAlert has people told of something, unless they were told of its Episode.
	PostAlert(ctx context.Context, a Alert) error
}

// PatchRecord is what is remembered of an app's patch runs.
type PatchRecord struct {
	Release   int       // that was looked at
	CheckedAt time.Time // zero: never
	Pending   Pending   // what was out of date then
	// Failures counts the runs that failed one after the other with the same
	// updates (FailedKey); until NotBefore they are not tried again.
	Failures  int
	FailedKey string
	NotBefore time.Time
	// IdleKey are the updates for which release IdleRelease was built anew and came
	// out with the same packages; until IdleUntil that is not done again.
	IdleKey     string    `json:",omitempty"`
	IdleRelease int       `json:",omitempty"`
	IdleUntil   time.Time `json:",omitzero"`
	// Told is the key of the updates that people were told of in mode "notify".
	Told string
	// Stack is what the app stood on in its latest run, FailedAt when that failed:
	// two apps that failed stop the line for all on the stack (linestop.go).
	Stack    string    `json:",omitempty"`
	FailedAt time.Time `json:",omitzero"`
}

// idleTime is how long a release is not built anew for updates that building it
// anew did not bring. A little less than whole days, so that the run of that day
// is not missed.
const idleTime = 7*24*time.Hour - time.Hour

// idle tells whether building the release anew for these updates is known to
// bring nothing.
func (r PatchRecord) idle(live Release, pending Pending, now time.Time) bool {
	return r.IdleRelease == live.Number && r.IdleKey == pending.Key() && now.Before(r.IdleUntil)
}

// leaveAlone is how long the same updates are left alone after they failed n times.
func leaveAlone(n int) time.Duration {
	return time.Duration(min(14, 1<<min(n-1, 4))) * 24 * time.Hour
}

// notePatch remembers how a patch run of the release went that ended with err.
// One that was canceled says nothing.
func (e *Engine) notePatch(live Release, pending Pending, err error) {
	var f *Failure
	switch {
	case errors.As(err, &f):
		e.editRecord(live.App, func(r *PatchRecord) {
			if r.FailedKey != pending.Key() {
				r.Failures = 0
			}
			r.Failures++
			r.FailedKey = pending.Key()
			// A little less than whole days, so that the run of that day is not missed.
			r.NotBefore = e.Now().Add(leaveAlone(r.Failures) - time.Hour)
			r.Stack, r.FailedAt = pending.Stack, e.Now()
		})
	case errors.Is(err, errSame):
		e.editRecord(live.App, func(r *PatchRecord) {
			r.IdleKey, r.IdleRelease, r.IdleUntil = pending.Key(), live.Number, e.Now().Add(idleTime)
			r.Failures, r.FailedKey, r.NotBefore, r.FailedAt = 0, "", time.Time{}, time.Time{}
		})
	case err == nil:
		e.editRecord(live.App, func(r *PatchRecord) {
			*r = PatchRecord{Release: r.Release, CheckedAt: r.CheckedAt, Stack: pending.Stack}
		})
	}
}

// editRecord changes what is remembered of an app's patch runs.
func (e *Engine) editRecord(app AppName, change func(*PatchRecord)) {
	ctx, done := cleanup()
	defer done()
	if err := e.changeRecord(ctx, app, change); err != nil {
		e.Log.Warn("Cannot remember how the patch went", "app", app, "error", err)
	}
}

// changeRecord reads it, has it changed and stores it, as one: a look is at all
// apps while one of them is being patched.
func (e *Engine) changeRecord(ctx context.Context, app AppName, change func(*PatchRecord)) error {
	e.records.Lock()
	defer e.records.Unlock()
	record, err := e.Patches.PatchRecord(ctx, app)
	if err != nil {
		return err
	}
	change(&record)
	return e.Patches.SetPatchRecord(ctx, app, record)
}
