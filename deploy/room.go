package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// strayImageAge is how old an image that no release names must be to be removed:
// a build may have made it just now.
const strayImageAge = 10 * time.Minute

// Budget bounds what images take on disk. What serves, what restart-previous
// would bring back and what is staged count, and are never removed. How many
// images one app has is bounded by Settings.Keep.
type Budget struct {
	App    int64 // bytes of one app's images; 0: no bound
	Total  int64 // bytes of all apps' images; 0: no bound
	Images int   // all apps' images, the one that is to be built included; 0: no bound
}

// makeRoom keeps the images within the budget before another one is built. The
// oldest releases that can only be rolled back to go first. It fails only when
// the disk is too full for a build and nothing is left that may go; what can't
// be looked at is left for the next build.
func (w *worker) makeRoom(ctx context.Context, j *job) error {
	images, err := w.e.Builder.Images(ctx)
	if err != nil {
		w.e.Log.Warn("Cannot look at the images to make room", "app", w.app, "error", err)
		return nil
	}
	r, err := w.e.newRoom(ctx, images)
	if err != nil {
		w.e.Log.Warn("Cannot look at the releases to make room", "app", w.app, "error", err)
		return nil
	}
	r.dropStrays(ctx)
	for r.over(w.e.Budget.App, w.app) && r.dropOldest(ctx, w.app, j) {
		continue
	}
	for (r.over(w.e.Budget.Total, "") || r.many(w.e.Budget.Images)) && r.dropOldest(ctx, "", j) {
		continue
	}
	for {
		missing, err := w.e.Builder.Short(ctx)
		if err != nil || missing <= 0 {
			return nil // the build itself finds out what is wrong
		}
		if !r.dropOldest(ctx, "", j) {
			return &Failure{
				Step: StepBuild, Class: ClassNoRoom, Reason: fmt.Sprintf("the disk of this server's images is full: %s more must be free for a build", bytesText(missing)),
				Hint: "free space on the server, or destroy an app that is not needed; then push again",
			}
		}
	}
}

// room is what the images take, and which of them may go.
type room struct {
	e     *Engine
	bytes map[string]int64   // by image
	owner map[string]AppName // by image
	stray []Image            // that no release names
	spare []Release          // that may go, oldest first
}

func (e *Engine) newRoom(ctx context.Context, images []Image) (*room, error) {
	r := &room{e: e, bytes: map[string]int64{}, owner: map[string]AppName{}}
	for _, i := range images {
		r.bytes[i.ID], r.owner[i.ID] = i.Bytes, i.App
	}
	apps, err := e.Store.Apps(ctx)
	if err != nil {
		return nil, err
	}
	named, needed := map[string]bool{}, map[string]bool{}
	for _, app := range apps {
		releases, err := e.Store.Releases(ctx, app.Name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		for _, release := range releases {
			if release.Gone {
				continue
			}
			named[release.Image] = true
			if e.pinned(app, release.Number) {
				needed[release.Image] = true
			} else {
				r.spare = append(r.spare, release)
			}
		}
	}
	// One that shares its image with what is needed would go for nothing.
	r.spare = slices.DeleteFunc(r.spare, func(release Release) bool { return needed[release.Image] })
	slices.SortStableFunc(r.spare, func(a, b Release) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, i := range images {
		if !named[i.ID] && e.Now().Sub(i.CreatedAt) > strayImageAge {
			r.stray = append(r.stray, i)
		}
	}
	return r, nil
}

// over tells whether the images of the app ("": of all) take more than the bound.
func (r *room) over(bound int64, app AppName) bool {
	if bound == 0 {
		return false
	}
	var sum int64
	for id, n := range r.bytes {
		if app == "" || r.owner[id] == app {
			sum += n
		}
	}
	return sum > bound
}

// many tells whether there are so many images that one more is beyond the bound.
func (r *room) many(bound int) bool { return bound > 0 && len(r.bytes) >= bound }

// dropStrays removes the images that no release names: of builds that were cut
// short by the end of the daemon, and of apps that are gone.
func (r *room) dropStrays(ctx context.Context) {
	for _, i := range r.stray {
		switch err := r.e.worker(i.App).dropStray(ctx, i); {
		case err == nil:
			delete(r.bytes, i.ID)
		case !errors.Is(err, ErrBusy):
			r.e.Log.Warn("Cannot remove an image that no release has; trying again later", "app", i.App, "image", i.ID, "error", err)
		}
	}
	r.stray = nil
}

// dropOldest removes the image of the oldest release of the app ("": of any)
// that may go; false when there is none.
func (r *room) dropOldest(ctx context.Context, app AppName, j *job) bool {
	for i := 0; i < len(r.spare); {
		release := r.spare[i]
		if app != "" && release.App != app {
			i++
			continue
		}
		r.spare = slices.Delete(r.spare, i, i+1)
		gone, err := r.e.worker(release.App).spare(ctx, release)
		if errors.Is(err, errPlace) {
			r.spare = slices.DeleteFunc(r.spare, func(other Release) bool { return other.App == release.App })
		}
		if err != nil {
			continue
		}
		if gone {
			delete(r.bytes, release.Image)
		}
		j.journal.say("==> Removed the image of %s %s to make room; it can't be rolled back to any more", release.App, release.Name())
		return true
	}
	return false
}
