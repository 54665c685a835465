package deploy

import (
	"context"
	"fmt"
	"time"
)

// shift gives a probed release a growing part of the new requests, in the steps
// that its settings name, before it is promoted. At each step it is compared
// with what serves, over the same time. One that does worse gets no more
// requests, and the deployment fails as it would have at the probe: production
// was served by the old release all along.
//
// If we die here, at any step: the share dies with the router that knew of it,
// the store says that the old release serves, and the next start ends the
// deployment as interrupted and takes its instances away.
func (w *worker) shift(j *job, r Release) error {
	app, err := w.appNow(j)
	if err != nil {
		return err
	}
	steps := r.Settings.Gradual
	if len(steps) == 0 || app.Live == 0 || j.snapshot().Cause.GoesBack() {
		return nil
	}
	if err := w.move(j, Shifting, fmt.Sprintf("%s gets requests step by step", r.Name())); err != nil {
		return err
	}
	for _, percent := range steps {
		if err := w.step(j, app, r, percent); err != nil {
			w.unshift(j, r)
			return err
		}
		if j.isHurried() {
			j.journal.say("==> The other steps are skipped")
			break
		}
	}
	return nil // the share stays until the commit gives it all, or undo takes it away
}

// appNow reads the app.
func (w *worker) appNow(j *job) (App, error) {
	ctx, cancel := context.WithTimeout(j.ctx, storeTimeout)
	defer cancel()
	return w.e.Store.App(ctx, w.app)
}

// step is one step of a gradual promotion: some percent of the requests, for a
// while.
func (w *worker) step(j *job, app App, r Release, percent int) error {
	s := span{w: w, new: r.Number, old: app.Live, share: percent, began: w.e.Now()}
	s.from, s.fromOld = w.e.Router.Figures(w.app, s.new), w.e.Router.Figures(w.app, s.old)
	w.share(j.ctx, r.Number, percent)
	text := fmt.Sprintf("%d %% of requests go to %s on %s", percent, r.Name(), app.Idle())
	j.journal.say("==> %s for %s", capitalize(text), r.Settings.Dwell)
	w.tell(j.ctx, j.snapshot(), text)

	dwell, cancel := context.WithTimeout(j.ctx, r.Settings.Dwell)
	defer cancel()
	for dwell.Err() == nil {
		pauseOr(dwell, j.hurried, w.e.Pace)
		if j.ctx.Err() != nil {
			return context.Cause(j.ctx)
		}
		if w.e.runningInstances(w.app, r, app.Idle()) == nil {
			return w.endedInShift(j, r, percent)
		}
		if now, old := s.samples(); now.fails(old) {
			return s.failure(j, Regression{New: now, Old: old})
		}
		if j.isHurried() {
			break
		}
	}
	now, old := s.samples()
	if now.drags(old) {
		return s.failure(j, Regression{New: now, Old: old, Slow: true})
	}
	j.journal.say("==> %d %% of requests: %s", percent, s.line(now, old))
	return nil
}

// unshift sends all requests to what serves again, and lets those in flight on
// the candidate end.
func (w *worker) unshift(j *job, r Release) {
	ctx, done := cleanup()
	defer done()
	w.share(ctx, 0, 0)
	ctx, cancel := context.WithTimeout(ctx, min(r.Settings.Drain, 30*time.Second))
	defer cancel()
	if cut := w.e.Router.Drain(ctx, w.app, r.Number); cut > 0 {
		j.journal.say("==> %s on %s cut off", count(cut, "request"), r.Name())
	}
}

// endedInShift is the failure of a candidate that ended while it had requests.
func (w *worker) endedInShift(j *job, r Release, percent int) error {
	f := &Failure{
		Step: StepGradual, Reason: fmt.Sprintf("an instance of %s ended while it had %d %% of requests", r.Name(), percent),
		Hint: "look at its last lines; production was served by the other color",
	}
	p := prober{w: w, j: j, r: r}
	for _, in := range w.e.instances(w.app) {
		if in.Release == r.Number && (!in.Running || f.Log == nil) {
			f.Log = p.tail(in)
		}
	}
	return f
}

// span is a time in which two releases have requests at once.
type span struct {
	w             *worker
	new, old      int // releases
	from, fromOld Figures
	share         int
	began         time.Time
}

// samples are what both have answered in it until now.
func (s span) samples() (now, old Sample) {
	f := s.w.e.Router.Figures
	return since(s.new, s.from, f(s.w.app, s.new)), since(s.old, s.fromOld, f(s.w.app, s.old))
}

// line tells of it: "1,204 requests, 0 errors, p99 31 ms (live: 2 errors of 3,611, p99 29 ms)".
func (s span) line(now, old Sample) string {
	text := fmt.Sprintf("%s requests, %s errors, p99 %s (live: %s requests, %s errors, p99 %s)", thousands(now.Requests), thousands(now.Errors), millis(now.P99),
		thousands(old.Requests), thousands(old.Errors), millis(old.P99))
	if !now.comparable(old) {
		text += fmt.Sprintf("; too few to compare: it takes %d on either side", judgedRequests)
	}
	return text
}

// failure ends a gradual promotion with its figures.
func (s span) failure(j *job, found Regression) error {
	found.Share, found.After = s.share, s.w.e.Now().Sub(s.began)
	return &Failure{
		Step: StepGradual, Reason: found.Reason(), Regression: &found,
		Hint: fmt.Sprintf("look at the log of %s for what it answered; push again when it is mended", ReleaseName(s.new)),
		Log:  s.tail(j),
	}
}

// tail is what the candidate wrote last.
func (s span) tail(j *job) []string {
	for _, in := range s.w.e.instances(s.w.app) {
		if in.Release == s.new && in.Running {
			p := prober{w: s.w, j: j}
			return p.tail(in)
		}
	}
	return nil
}

// hasten completes a gradual promotion that is under way now. It tells whether
// there was one.
func (w *worker) hasten(by string) (Deployment, bool) {
	w.mu.Lock()
	j := w.current
	w.mu.Unlock()
	if j == nil || j.snapshot().State != Shifting {
		return Deployment{}, false
	}
	j.journal.say("==> %s wants it all now", by)
	j.hurry.Do(func() { close(j.hurried) })
	return j.snapshot(), true
}

func (j *job) isHurried() bool {
	select {
	case <-j.hurried:
		return true
	default:
		return false
	}
}

// tell stores and tells an event that changes no state.
func (w *worker) tell(ctx context.Context, d Deployment, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	ev := Event{At: w.e.Now(), App: w.app, Deployment: d.ID, By: d.By, Text: text}
	if err := w.e.Store.AddEvent(ctx, ev); err != nil {
		w.e.Log.Warn("Cannot store an event", "app", w.app, "deployment", d.ID, "error", err)
		return
	}
	w.e.told(ev)
}
