package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Workers are the processes beside web: no request reaches them, and only one
// release of an app has them running. They change over with web, as one unit:
//
//	web of the new release is started and probed
//	the new workers are started, and have to stay up for a moment
//	commit and switch
//	the old workers are stopped
//
// A worker that does not stay up fails the deployment like a probe does. For
// that moment the workers of both releases run, as they would while any queue's
// consumers are replaced; those of a single writer never do. After the commit,
// and so on the way back too, the keeper sees to it: the live release has its
// workers, and no other one has.

// startWorkers starts the candidate's workers and sees whether they stay up.
func (w *worker) startWorkers(j *job, r Release) error {
	if workersOf(r) == 0 {
		return nil
	}
	j.journal.say("==> Starting %s of %s", count(workersOf(r), "worker"), r.Name())
	began := w.e.Now()
	instances, err := w.haveWorkers(j, r)
	if err != nil {
		return err
	}
	if end := began.Add(w.e.Trial); instances != nil && w.e.Now().Before(end) {
		pause(j.ctx, end.Sub(w.e.Now()))
	}
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	all, err := w.e.Runtime.List(ctx)
	if err != nil {
		return err
	}
	for _, in := range all {
		if in.App == w.app && in.Release == r.Number && in.Process != "" && !in.Running {
			return w.workerEnded(ctx, r, in, w.e.Now().Sub(began))
		}
	}
	return nil
	// If we die here: instances of a release that is not live; recovery removes them.
}

func (w *worker) haveWorkers(j *job, r Release) ([]Instance, error) {
	w.place.Lock()
	defer w.place.Unlock()
	ctx, cancel := context.WithTimeout(j.ctx, engineTimeout)
	defer cancel()
	instances, err := w.e.Runtime.Start(ctx, Spec{Release: r, Color: j.snapshot().Color, Workers: true})
	if err != nil {
		return nil, err
	}
	w.e.observed(w.app, instances)
	return instances, nil
}

// workerEnded is the failure of a worker that did not stay up.
func (w *worker) workerEnded(ctx context.Context, r Release, in Instance, after time.Duration) *Failure {
	lines, err := w.e.Bench.Tail(ctx, in, tailLines)
	if err != nil {
		lines = nil
	}
	f := &Failure{
		Step: StepStart, Class: ClassExited, Log: lines,
		Reason: fmt.Sprintf("worker %s ended with exit code %d within %s", in.Process, in.Exit.Code, seconds(after)),
		Hint:   "a worker must keep running; look at its command in the Procfile or in teal.toml",
	}
	if in.Exit.OOM {
		f.Class = ClassOOM
		f.Reason = fmt.Sprintf("worker %s was killed: it used more than its %s of memory", in.Process, bytesText(r.Settings.Memory))
		f.Hint = "raise [limits] memory in teal.toml"
	}
	return f
}

// keepWorkers has the live release's workers running and those of others not,
// and tells when a worker that ended is started again. The caller holds place.
func (w *worker) keepWorkers(ctx context.Context, app App, candidate int) (next time.Duration, err error) {
	for _, release := range releasesOf(w.e.instances(w.app)) {
		if release == app.Live || release == candidate || len(runningWorkers(w.e.instances(w.app), release)) == 0 {
			continue
		}
		r, err := w.e.Store.Release(ctx, w.app, release)
		if err != nil {
			return 0, err
		}
		if err := w.e.Runtime.StopWorkers(ctx, w.app, release, r.Settings.Stop); err != nil {
			return 0, fmt.Errorf("cannot stop the workers of %s: %w", r.Name(), err)
		}
		if err := w.e.observe(ctx, w.app); err != nil {
			return 0, err
		}
	}
	if app.Live == 0 {
		return 0, nil
	}
	live, err := w.e.Store.Release(ctx, w.app, app.Live)
	if err != nil || len(runningWorkers(w.e.instances(w.app), live.Number)) >= workersOf(live) {
		return 0, err
	}
	if left := w.keeper.workers.until(live.Number, w.e.Now()); left > 0 {
		return left, nil
	}
	w.e.Log.Info("Starting workers of the live release", "app", w.app, "release", live.Number, "color", app.Active)
	instances, err := w.e.Runtime.Start(ctx, Spec{Release: live, Color: app.Active, Workers: true})
	if err != nil {
		return 0, fmt.Errorf("cannot have the workers of %s running: %w", live.Name(), err)
	}
	w.e.observed(w.app, instances)
	w.keeper.workers.note(live.Number, w.e.Now())
	if len(runningWorkers(instances, live.Number)) < workersOf(live) {
		return w.keeper.workers.until(live.Number, w.e.Now()), nil
	}
	return 0, nil
}

// workersOf is how many instances of workers a release has.
func workersOf(r Release) (n int) {
	for _, p := range r.Settings.Workers {
		n += p.Instances
	}
	return n
}

func runningWorkers(instances []Instance, release int) []Instance {
	return slices.DeleteFunc(slices.Clone(instances), func(in Instance) bool {
		return in.Release != release || in.Process == "" || !in.Running
	})
}
