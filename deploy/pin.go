package deploy

import (
	"context"
	"fmt"
	"time"
)

// An image is removed in three places: by a budget (room.go), by retention
// (keeper.go), and when what it was made for came to nothing (undo.go). This is
// what none of them touches.

// pinned tells whether the release is needed as it is: it serves, it is what
// restart-previous brings back, it is staged, or a deployment is about it.
func (e *Engine) pinned(app App, release int) bool {
	w := e.worker(app.Name)
	return release == app.Live || release == app.Previous || release == app.Staged || w.protected()[release] || w.aimedAt(release)
}

// aimedAt tells whether a deployment that waits or is under way is about the release.
func (w *worker) aimedAt(release int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range []*job{w.current, w.next} {
		if j == nil || j.hasSettled() {
			continue
		}
		if d := j.snapshot(); d.Target == release || d.Release == release {
			return true
		}
	}
	return false
}

// makesImage says that a build of the app begins. The image that comes out may be
// one that is there (the same commit again), so from now on none of the app's is
// removed, until a release names it or the deployment is over.
func (w *worker) makesImage(ctx context.Context) {
	w.mu.Lock()
	w.making = true
	w.mu.Unlock()
	if w.takePlace(ctx) { // who removes one right now is done before the build looks for it
		w.place.Unlock()
	}
}

func (w *worker) makes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.making
}

// works tells whether a deployment of the app waits or is under way.
func (w *worker) works() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy()
}

// placeWait is how long a build waits for those who work on the instances of an
// app: a release that does not get well again may hold its place for long.
const placeWait = 2 * time.Second

// errPlace says that the app's instances are being worked on for longer than that.
var errPlace = fmt.Errorf("%w: its instances are being started, stopped or switched", ErrBusy)

// takePlace is place.Lock with an end; false: it is not to be had.
func (w *worker) takePlace(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	for !w.place.TryLock() {
		if ctx.Err() != nil {
			return false
		}
		pause(ctx, 5*time.Millisecond)
	}
	return true
}

// spare removes the release's image, unless the release has become needed: ErrBusy;
// errPlace: that can't be told now.
// gone: no other release shares the image, which is no longer there.
func (w *worker) spare(ctx context.Context, r Release) (gone bool, err error) {
	if !w.takePlace(ctx) {
		return false, errPlace
	}
	defer w.place.Unlock()
	app, err := w.e.Store.App(ctx, w.app)
	if err != nil {
		return false, err
	}
	if w.makes() || w.e.pinned(app, r.Number) {
		return false, ErrBusy
	}
	releases, err := w.e.Store.Releases(ctx, w.app)
	if err != nil {
		return false, err
	}
	shared := sharing(releases, r.Image) > 1
	return !shared, w.dropImage(ctx, r, shared)
}

// dropStray removes an image that no release names, unless the app may be about
// to name it: ErrBusy.
func (w *worker) dropStray(ctx context.Context, i Image) error {
	if !w.takePlace(ctx) {
		return ErrBusy
	}
	defer w.place.Unlock()
	if w.works() {
		return ErrBusy
	}
	releases, err := w.e.Store.Releases(ctx, w.app)
	if err := ignoreNotFound(err); err != nil {
		return err
	}
	if sharing(releases, i.ID) > 0 {
		return ErrBusy
	}
	return w.e.Builder.RemoveImage(ctx, w.app, i.ID)
}

// sharing counts the releases whose image it is.
func sharing(releases []Release, image string) (n int) {
	for _, r := range releases {
		if !r.Gone && r.Image == image {
			n++
		}
	}
	return n
}
