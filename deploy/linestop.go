package deploy

import (
	"context"
	"fmt"
	"time"
)

// What makes the patches of two different apps on the same stack fail is likely
// to be the patch (a bad base image), so after that scheduled runs leave every
// app on it alone. It is told by what is remembered of each app's runs, so that
// neither a restart nor a window that opens later forgets it.
const (
	lineEnough = 2
	// lineRests is a little less than a day, so that the next night tries anew.
	lineRests = 20 * time.Hour
)

// lineStopped is ErrNothing when the patches of enough apps on the stack failed
// lately.
func (e *Engine) lineStopped(ctx context.Context, live Release, stack string) error {
	apps, err := e.Store.Apps(ctx)
	if err != nil {
		return err
	}
	var failed []AppName
	for _, app := range apps {
		record, err := e.Patches.PatchRecord(ctx, app.Name)
		if err != nil {
			return err
		}
		if record.Stack == stack && !record.FailedAt.IsZero() && e.Now().Sub(record.FailedAt).Abs() < lineRests {
			failed = append(failed, app.Name)
		}
	}
	if len(failed) < lineEnough {
		return nil
	}
	return fmt.Errorf("%w: left out of this patch run: the patches of %s, on the same stack, failed; look at their logs (now: patch %s --now)",
		ErrNothing, names(failed), live.App)
}

// noteRegression remembers that the app's latest patch went live and did worse.
func (e *Engine) noteRegression(app AppName) {
	e.editRecord(app, func(r *PatchRecord) { r.FailedAt = e.Now() })
}
