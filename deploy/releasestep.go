package deploy

import (
	"context"
	"fmt"
)

// releaseCommand runs the app's release command in a throw-away container of
// the new image, before anything is switched.
func (w *worker) releaseCommand(j *job, r Release) error {
	s := r.Settings
	if len(s.Release) == 0 {
		return nil
	}
	if err := w.move(j, Releasing, "running the release command"); err != nil {
		return err
	}
	j.journal.say("==> Release command: %q", s.Release)
	mark := j.journal.mark()
	began := w.e.Now()
	ctx, cancel := context.WithTimeout(j.ctx, s.ReleaseTimeout)
	defer cancel()
	exit, err := w.e.Bench.Once(ctx, r, s.Release, j.journal)
	j.release = w.e.Now().Sub(began)
	f := &Failure{Step: StepRelease, Log: j.journal.tailSince(mark, tailLines), Hint: "the database may be half migrated: look at the log before you push again", Err: err}
	switch {
	case err != nil && ctx.Err() != nil && j.ctx.Err() == nil:
		f.Class = ClassReleaseTimeout
		f.Reason = fmt.Sprintf("not done after %s", s.ReleaseTimeout)
		return f
	case err != nil:
		return err
	case exit.OOM:
		f.Class = ClassOOM
		f.Reason = fmt.Sprintf("killed: it used more than its %s of memory", bytesText(s.Memory))
		return f
	case exit.Code != 0:
		f.Reason = fmt.Sprintf("exit code %d", exit.Code)
		return f
	}
	j.journal.say("==> Release command done in %s", seconds(j.release))
	return nil
	// If we die here: the command has run and the deployment ends as failed.
	// Release commands are run again by the next push, as everywhere.
}
