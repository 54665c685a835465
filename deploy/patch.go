package deploy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	stockTimeout = 2 * time.Minute  // listing the packages of one image
	scanTimeout  = 15 * time.Minute // finding what is out of date; the first time an image is made for it
	scanFresh    = time.Hour        // how long what a scan found counts as news
)

// Patcher knows what is in an image and what of it is out of date, and makes
// the image that is not. Met by the builder. Every method may be called from
// several goroutines.
type Patcher interface {
	// Packages lists what an image holds, without running anything of it.
	// ErrNotFound when there is no such image; ErrEngineAway.
	Packages(ctx context.Context, image string) (Inventory, error)
	// Pending tells of each image what is out of date, in their order, without
	// running anything of them. What can't be told stands in Pending.Unknown; an
	// error means that nothing could be found out.
	Pending(ctx context.Context, images ...string) ([]Pending, error)
	// Patch makes the image anew with what is pending, writing progress to log. Its
	// result may hold the same as before: the caller compares. Errors are those of
	// Builder.Build.
	Patch(ctx context.Context, req PatchRequest, log io.Writer) (Patched, error)
	// Explain adds to the changes which holes they close, as far as that is known,
	// for packages of the system that the inventory names.
	Explain(ctx context.Context, i Inventory, changes []Change) []Change
}

// Pending is what is out of date in an image.
type Pending struct {
	// Changes are the packages that have a newer version, with both versions.
	Changes []Change `json:"changes"`
	// Bases are the images it was built on that have changed since: what that
	// means for its packages shows only when it is built anew.
	Bases []string `json:"bases,omitempty"`
	// Contents are what those images are now, by digest, in the same order.
	Contents []string `json:"contents,omitempty"`
	// Pushed says what only a push changes, one line each: nothing is looked up of it.
	Pushed []string `json:"pushed,omitempty"`
	// Unknown says what can't be told, one line each.
	Unknown []string `json:"unknown,omitempty"`
	// Elsewhere names packages of archives that are not asked, which Unknown tells
	// of too: only a build without cache brings them up to date.
	Elsewhere []string `json:"elsewhere,omitempty"`
	// Remedy is what a patch run would do: "rebase onto teal/python".
	Remedy string `json:"remedy"`
	// Stack is what the image stands on: apps with the same one fail alike.
	Stack string `json:"stack"`
}

// None tells that nothing is out of date, and that this is certain.
func (p Pending) None() bool { return len(p.Changes)+len(p.Bases)+len(p.Unknown) == 0 }

// Worth tells whether a patch run with the scope has something to do.
func (p Pending) Worth(scope PatchScope) bool {
	if len(p.Bases)+len(p.Unknown) > 0 {
		return true
	}
	return len(p.Changes) > 0 && (scope != ScopeSecurity || p.Security() > 0)
}

// Security counts the changes that come from a security archive.
func (p Pending) Security() (n int) {
	for _, c := range p.Changes {
		if c.Security {
			n++
		}
	}
	return n
}

// Key is equal for equal updates: a run that failed, or that brought nothing, is
// not repeated while it stays. Why something can't be told is no part of it: such
// words hold times and ports, and what is told later is a change or a base.
func (p Pending) Key() string {
	h := sha256.New()
	for _, c := range p.Changes {
		fmt.Fprintln(h, c.Kind, c.Name, c.Arch, c.New)
	}
	fmt.Fprintln(h, p.Bases, p.Contents, len(p.Unknown) > 0)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// String says in one line what is out of date.
func (p Pending) String() string {
	var parts []string
	if len(p.Changes) > 0 {
		parts = append(parts, fmt.Sprintf("%d updates: %s", len(p.Changes), Brief(p.Changes)))
	}
	if len(p.Bases) > 0 {
		parts = append(parts, "newer: "+strings.Join(p.Bases, ", "))
	}
	if len(p.Unknown) > 0 {
		parts = append(parts, "cannot tell: "+strings.Join(p.Unknown, "; "))
	}
	if len(parts) == 0 {
		return "no updates"
	}
	return strings.Join(parts, "; ")
}

// PatchRequest is what the patcher gets.
type PatchRequest struct {
	BuildRequest // of the live commit; Refresh is set
	Live         Release
	Before       Inventory // of Live
	Pending      Pending
}

// Patched is what comes out.
type Patched struct {
	Built
	Remedy string // what was done: "rebased onto teal/python"
	// Foreign: it stands on another base image than the live one, whose content no
	// list may name.
	Foreign bool
	// Unlayered says why no updates can be laid over the image ([patch] layer); "":
	// they can.
	Unlayered string
}

// patch brings up a release that differs from the live one by updates alone.
// Where nothing differs nothing is released and nothing restarts.
func (w *worker) patch(j *job) (err error) {
	done, err := w.patchTurn(j)
	if err != nil {
		return err
	}
	defer done()
	live, err := w.liveRelease(j)
	if err != nil {
		return err
	}
	pending, err := w.lookForUpdates(j, live)
	if err != nil {
		return err
	}
	defer func() { w.e.notePatch(live, pending, err) }()
	r, err := w.makePatched(j, live, pending)
	if err != nil {
		return err
	}
	if err := w.releaseCommand(j, r); err != nil {
		return err
	}
	if err := w.bringUp(j, r); err != nil {
		return err
	}
	w.e.tellPatched(r, j.snapshot())
	return nil
}

// patchTurn waits until no other app is being patched: what breaks one app is
// known before the next one's turn.
func (w *worker) patchTurn(j *job) (done func(), err error) {
	select {
	case w.e.patching <- struct{}{}:
	default:
		j.journal.say("==> Waiting: another app is being patched")
		select {
		case w.e.patching <- struct{}{}:
		case <-j.ctx.Done():
			return nil, context.Cause(j.ctx)
		}
	}
	return func() { <-w.e.patching }, nil
}

// liveRelease gives the release that the deployment is about.
func (w *worker) liveRelease(j *job) (Release, error) {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	return w.e.Store.Release(ctx, w.app, j.snapshot().Target)
}

// lookForUpdates finds what is out of date in the live release, and ends the
// deployment when that is nothing.
func (w *worker) lookForUpdates(j *job, live Release) (Pending, error) {
	if err := w.move(j, Building, fmt.Sprintf("looking for updates of %s", live.Name())); err != nil {
		return Pending{}, err
	}
	j.journal.say("==> Looking for updates of %s", live.Name())
	pending, err := w.e.pending(j.ctx, live)
	switch {
	case j.ctx.Err() != nil:
		return pending, context.Cause(j.ctx)
	case errors.Is(err, ErrEngineAway):
		return pending, err
	case err != nil: // building anew and comparing does without
		w.e.Log.Warn("Cannot tell what is out of date", "app", w.app, "release", live.Number, "error", err)
		pending = Pending{Unknown: []string{Clean(err.Error(), 300)}}
	}
	for _, c := range pending.Changes {
		j.journal.say("    %s", c)
	}
	for _, base := range pending.Bases {
		j.journal.say("    newer: %s", base)
	}
	for _, why := range pending.Unknown {
		j.journal.say("    cannot tell: %s", why)
	}
	if pending.None() {
		return pending, &interruption{Canceled, "no updates: every package is as new as its archive has it"}
	}
	return pending, nil
}

// makePatched makes the patched image, compares it package by package, and
// records it as the app's next release.
func (w *worker) makePatched(j *job, live Release, pending Pending) (Release, error) {
	before, err := w.e.inventory(j.ctx, live)
	if err != nil {
		return Release{}, err
	}
	patched, err := w.remedy(j, PatchRequest{Live: live, Before: before, Pending: pending})
	if err != nil {
		return Release{}, err
	}
	after, err := w.e.Patcher.Packages(j.ctx, patched.Image)
	if err != nil {
		w.dropUnused(live, patched.Image)
		return Release{}, err
	}
	changes := Compare(before, after)
	if !differs(live, patched, before, changes, pending) {
		w.dropUnused(live, patched.Image)
		return Release{}, errors.Join(errSame, &interruption{Canceled, stale(pending, patched)})
	}
	changes = w.e.Patcher.Explain(j.ctx, after, mark(changes, pending))
	j.journal.say("==> %s: %s", capitalize(patched.Remedy), cmp.Or(Brief(changes), "the same packages on a newer base image"))
	for _, c := range changes {
		j.journal.say("    %s", c)
	}
	w.noteChanges(j, changes)
	return w.storePatched(j, live, patched, after)
}

// remedy has the patcher make the image, in the build queue like every build.
func (w *worker) remedy(j *job, req PatchRequest) (Patched, error) {
	done, err := w.buildSlot(j)
	if err != nil {
		return Patched{}, err
	}
	defer done()
	began := w.e.Now()
	ctx, cancel := context.WithTimeoutCause(j.ctx, buildTimeout, errors.New("build timeout"))
	defer cancel()
	if req.BuildRequest, err = w.buildRequest(ctx, j, req.Live.Commit); err != nil {
		return Patched{}, err
	}
	defer req.Source.Close()
	req.Refresh = true
	patched, err := w.e.Patcher.Patch(ctx, req, j.journal)
	j.build = w.e.Now().Sub(began)
	if err != nil {
		return Patched{}, w.buildError(ctx, j, err)
	}
	return patched, nil
	// If we die here: a deployment that recovery ends as failed, and an image
	// without a release, which the next run makes again out of the cache.
}

// differs tells whether the patched image is worth a deployment. Package lists
// decide; where an image has no system whose packages could be listed, a newer
// base image may have changed what no list names, and its bits decide. When there
// was no update, and it was built anew only because something could not be told,
// the system's packages alone count: no app gets other libraries, or other bits of
// the same, since a registry was silent.
func differs(live Release, patched Patched, before Inventory, changes []Change, p Pending) bool {
	switch {
	case len(p.Changes)+len(p.Bases) == 0 && !patched.Foreign:
		return slices.ContainsFunc(changes, Change.ofSystem)
	case len(changes) > 0:
		return true
	}
	return patched.Image != live.Image && !before.HasSystem() && patched.Foreign
}

// errSame ends a patch run whose image holds the same as the live one.
var errSame = errors.New("built anew it holds the same packages")

// stale says why nothing came of a patch.
func stale(p Pending, patched Patched) string {
	if len(p.Changes) == 0 {
		return fmt.Sprintf("no updates: %s, it holds the same packages of the system", patched.Remedy)
	}
	text := fmt.Sprintf("%s, it holds the same packages, although there are %d updates (%s): neither the base image nor the app's own steps bring them",
		patched.Remedy, len(p.Changes), Brief(p.Changes))
	switch {
	case patched.Unlayered != "":
		text += ", nor can they be laid over the image: " + patched.Unlayered
	case !patched.Settings.Patch.Layer:
		text += "; [patch] layer = true in teal.toml lays them over the image"
	}
	return text
}

// mark carries over from what was pending which changes are for security.
func mark(changes []Change, p Pending) []Change {
	for i, c := range changes {
		changes[i].Security = slices.ContainsFunc(p.Changes, func(o Change) bool {
			return o.Security && o.Kind == c.Kind && o.Name == c.Name
		})
	}
	return changes
}

// noteChanges writes the difference to the deployment.
func (w *worker) noteChanges(j *job, changes []Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.d.Changes = changes
	j.d.Note = "patched: " + cmp.Or(Brief(changes), "the same packages on a newer base image")
}

// storePatched records the patched image as the next release, with its packages.
func (w *worker) storePatched(j *job, live Release, patched Patched, list Inventory) (Release, error) {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return Release{}, err
	}
	r, err := w.createRelease(ctx, j, Release{
		App: w.app, Commit: live.Commit, Image: patched.Image, Settings: patched.Settings, Env: app.Env,
		CreatedBy: j.snapshot().By, Cause: CausePatch,
	})
	if err != nil {
		return Release{}, err
	}
	return r, w.e.shelve(ctx, r, list)
}

// dropUnused removes an image that was made for nothing; the live one stays.
func (w *worker) dropUnused(live Release, image string) {
	ctx, done := cleanup()
	defer done()
	releases, err := w.e.Store.Releases(ctx, w.app)
	used := slices.ContainsFunc(releases, func(r Release) bool { return !r.Gone && r.Image == image })
	if err != nil || used || image == live.Image {
		return
	}
	if err := w.e.Builder.RemoveImage(ctx, w.app, image); err != nil {
		w.e.Log.Warn("Cannot remove an image that was made for nothing", "app", w.app, "error", err)
	}
}
