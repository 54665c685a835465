package gitserver

import (
	"context"
	"time"

	"teal/deploy"
)

// tidy asks the housekeeper to look at the app's repository. When it is busy
// with many others it is left for the next push.
func (r *Repos) tidy(app deploy.AppName) {
	select {
	case r.pushed <- app:
	default:
	}
}

// housekeep packs repositories after pushes, one at a time, until ctx ends.
// Nothing is ever pruned: the objects of a deployment that is under way, or
// staged, hang on no ref yet.
func (r *Repos) housekeep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case app := <-r.pushed:
			r.collect(ctx, app)
		}
	}
}

func (r *Repos) collect(ctx context.Context, app deploy.AppName) {
	if !r.exists(app) {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	_, err := r.plumbing(app).run(ctx, 64<<10, "",
		"-c", "gc.pruneExpire=never", "-c", "gc.autoPackLimit=20", "-c", "gc.cruftPacks=true",
		"-c", "gc.writeCommitGraph=false", "-c", "pack.threads=1",
		"gc", "--auto", "--quiet")
	if err != nil && ctx.Err() == nil {
		r.log.Warn("cannot pack a repository", "app", app, "duration", time.Since(began), "error", err)
	}
}
